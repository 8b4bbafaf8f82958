// The one hierarchy of exceptions that this engine throws. Python sees classes of the same names.
//
// A message says what failed, on which table or file, and what the caller can do about it. It never carries a secret:
// build it from identifiers, locations and counts, not from properties, bound SQL values or HTTP headers.
#pragma once

#include <stdexcept>
#include <string>

namespace floe {

class Error : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

// What the caller passed cannot be used: an unknown column, a filter that does not parse, a batch that does not fit.
class InvalidArgument : public Error {
  using Error::Error;
};

// Iceberg has it, or a property asks for it, and this engine does not do it.
class NotSupported : public Error {
  using Error::Error;
};

// Something that was named is not there.
class NotFound : public Error {
  using Error::Error;
};
class NoSuchTable : public NotFound {
  using NotFound::NotFound;
};
class NoSuchNamespace : public NotFound {
  using NotFound::NotFound;
};

class AlreadyExists : public Error {
  using Error::Error;
};
class TableAlreadyExists : public AlreadyExists {
  using AlreadyExists::AlreadyExists;
};
class NamespaceAlreadyExists : public AlreadyExists {
  using AlreadyExists::AlreadyExists;
};
class NamespaceNotEmpty : public Error {
  using Error::Error;
};

// The commit was refused and surely did not happen: a requirement does not hold, or another writer was first.
class CommitFailed : public Error {
  using Error::Error;
};

// What other writers committed since the change was planned contradicts it: files that it removes are gone, rows that
// it should have seen came. It has to be planned again.
class ConflictFound : public CommitFailed {
  using CommitFailed::CommitFailed;
};

// The commit may or may not have happened (the answer was lost). Nothing may be deleted; read the table again.
class CommitStateUnknown : public Error {
  using Error::Error;
};

// A file's bytes are not what its format asks for. The message names the file.
class CorruptFile : public Error {
  using Error::Error;
};

// The store or the operating system failed: permission, space, connection.
class IoError : public Error {
  using Error::Error;
};

// The caller asked to stop (a stop token, Ctrl-C). Nothing was committed.
class Cancelled : public Error {
  using Error::Error;
};

}  // namespace floe
