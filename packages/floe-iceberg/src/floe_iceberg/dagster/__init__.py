"""Iceberg tables in Dagster: what its assets, ops and sensors use besides :mod:`floe_iceberg.io_manager`."""
