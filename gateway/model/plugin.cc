#include "gateway/model/plugin.h"

#include <dlfcn.h>

#include <array>
#include <fstream>
#include <memory>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <openssl/evp.h>

namespace gemel::model {
namespace {

constexpr const char* kInstalled = "/usr/lib/gemel/models";

// lib/gemel/models beside the bin/ that the running program lies in.
std::filesystem::path BesideProgram() {
  std::error_code error;
  const std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe", error);
  return program.parent_path().parent_path() / "lib" / "gemel" / "models";
}

}  // namespace

Result<std::filesystem::path> FindPlugin(const std::string& name,
                                         const std::filesystem::path& configuration_folder) {
  const std::filesystem::path given(name);
  std::vector<std::filesystem::path> places;
  if (given.is_absolute()) {
    places = {given};
  } else if (given.has_parent_path()) {
    places = {configuration_folder / given};
  } else {
    places = {BesideProgram() / given, kInstalled / given};
  }
  std::vector<std::string> tried;
  for (const std::filesystem::path& place : places) {
    std::error_code error;
    if (std::filesystem::is_regular_file(place, error)) return place;
    tried.push_back(place.string());
  }
  return NotFound(
      fmt::format("plug-in {}: no such file; looked for {}", name, fmt::join(tried, ", ")));
}

Result<std::string> HashOf(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  struct Free {
    void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
  };
  const std::unique_ptr<EVP_MD_CTX, Free> context(EVP_MD_CTX_new());
  EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr);
  std::array<char, 65'536> part;
  while (file.read(part.data(), part.size()) || file.gcount() > 0)
    EVP_DigestUpdate(context.get(), part.data(), static_cast<size_t>(file.gcount()));
  if (!file.eof()) return Unavailable(fmt::format("plug-in {}: cannot be read", path.string()));
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
  unsigned size = 0;
  EVP_DigestFinal_ex(context.get(), digest.data(), &size);
  std::string text;
  for (unsigned i = 0; i < size; ++i) text += fmt::format("{:02x}", digest[i]);
  return text;
}

Result<const gemel_model*> LoadPlugin(const std::filesystem::path& path) {
  void* handle = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    return Invalid(fmt::format("plug-in {}: cannot be loaded: {}", path.string(), ::dlerror()));
  }
  void* symbol = ::dlsym(handle, GEMEL_PLUGIN_SYMBOL);
  if (symbol == nullptr) {
    ::dlclose(handle);
    return Invalid(
        fmt::format("plug-in {}: exports no symbol {}; end the model with GEMEL_EXPORT_MODEL(...)",
                    path.string(), GEMEL_PLUGIN_SYMBOL));
  }
  const gemel_model* table = nullptr;
  try {
    table = reinterpret_cast<gemel_plugin_function>(symbol)();
  } catch (...) {
    return Invalid(fmt::format("plug-in {}: {} threw", path.string(), GEMEL_PLUGIN_SYMBOL));
  }
  if (table == nullptr) {
    return Invalid(
        fmt::format("plug-in {}: {} returned no model", path.string(), GEMEL_PLUGIN_SYMBOL));
  }
  if (Status status = CheckTable(*table); !status.ok()) {
    return Invalid(fmt::format("plug-in {}: {}", path.string(), status.message()));
  }
  return table;
}

}  // namespace gemel::model
