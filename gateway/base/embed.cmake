# cmake -DFROM=a.json -DTO=a_text.cc -DIN=gemel::config -DNAME=kText -P embed.cmake: the file as a
# string constant.
file(READ "${FROM}" text)
file(WRITE "${TO}" "#include <string_view>

namespace ${IN} {

extern const std::string_view ${NAME};
const std::string_view ${NAME} = R\"embedded(${text})embedded\";

}  // namespace ${IN}
")
