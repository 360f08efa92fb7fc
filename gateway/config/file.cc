#include "gateway/config/file.h"

#include <cerrno>
#include <fstream>
#include <system_error>

#include <fmt/format.h>

namespace gemel::config {
namespace fs = std::filesystem;

Result<std::string> ReadFile(const fs::path& path, size_t bytes_max) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (status.type() == fs::file_type::not_found) return NotFound("no such file");
  if (fs::is_directory(status)) return Invalid("is a folder, not a file");
  std::ifstream file(path, std::ios::binary);
  const auto unreadable = [] {
    return Unavailable(fmt::format("can't be read: {}", std::generic_category().message(errno)));
  };
  if (!file) return unreadable();
  std::string text(bytes_max + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (file.bad()) return unreadable();
  text.resize(static_cast<size_t>(file.gcount()));
  return text;
}

Result<std::string> ReadSecret(const fs::path& path, size_t bytes_max, std::string_view place,
                               const Origin& origin) {
  // A pipe would be waited for without end.
  std::error_code error;
  if (fs::exists(path, error) && !fs::is_regular_file(path, error))
    return origin.Wrong(place, path.string() + ": is no regular file");
  auto text = ReadFile(path, bytes_max);
  if (!text.ok())
    return origin.Wrong(place, fmt::format("{}: {}", path.string(), text.status().message()));
  return text;
}

}  // namespace gemel::config
