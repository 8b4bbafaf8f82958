// Geometries as text and as bytes: well-known text (in JSON) and well-known binary (everywhere else), of the seven
// classes of "Simple feature access", in XY, XYZ, XYM and XYZM. Specification: "Appendix G". Internal to spec/.
#pragma once

#include <string>
#include <string_view>

namespace floe {

// Throws InvalidArgument if the bytes are no geometry: cut, of an unknown class, nested too deeply.
std::string wkt_from_wkb(std::string_view wkb);

// ISO WKB, little-endian. Throws InvalidArgument, with the position, if the text is no geometry.
std::string wkb_from_wkt(std::string_view wkt);

}  // namespace floe
