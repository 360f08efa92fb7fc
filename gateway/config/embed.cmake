# cmake -DFROM=schema.json -DTO=schema_text.cc -P embed.cmake: the file as a string constant.
file(READ "${FROM}" text)
file(WRITE "${TO}" "#include <string_view>

namespace gemel::config {

extern const std::string_view kSchemaText;
const std::string_view kSchemaText = R\"schema(${text})schema\";

}  // namespace gemel::config
")
