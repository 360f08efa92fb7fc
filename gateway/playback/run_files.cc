#include "gateway/playback/run_files.h"

#include <cerrno>
#include <cstdio>
#include <memory>
#include <system_error>

#include <fmt/format.h>

#include "gateway/journal/folder.h"

namespace gemel::playback {
namespace {

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};

Status Failed(const std::filesystem::path& path) {
  std::string message = fmt::format("{}: cannot be written: {}", path.string(),
                                    std::generic_category().message(errno));
  if (errno == ENOSPC) return {Code::kFull, std::move(message)};
  return Unavailable(std::move(message));
}

template <typename Lines, typename Text>
Status WriteLines(const std::filesystem::path& path, const Lines& lines, const Text& text) {
  const std::unique_ptr<std::FILE, CloseFile> file(std::fopen(path.c_str(), "we"));
  if (file == nullptr) return Failed(path);
  for (const auto& line : lines) {
    const std::string& written = text(line);
    const bool is_written =
        std::fwrite(written.data(), 1, written.size(), file.get()) == written.size() &&
        std::fputc('\n', file.get()) != EOF;
    if (!is_written) return Failed(path);
  }
  return std::fflush(file.get()) == 0 ? Status::Ok() : Failed(path);
}

}  // namespace

Status WriteRun(const std::filesystem::path& folder, std::span<const std::string> twins,
                std::span<const EffectLine> effects) {
  GEMEL_TRY(journal::MakeFolder(folder));
  GEMEL_TRY(WriteLines(folder / kTwinsFile, twins,
                       [](const std::string& line) -> const std::string& { return line; }));
  return WriteLines(folder / kEffectsFile, effects,
                    [](const EffectLine& line) -> const std::string& { return line.json; });
}

}  // namespace gemel::playback
