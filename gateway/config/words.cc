#include "gateway/config/words.h"

#include <algorithm>
#include <numeric>
#include <vector>

#include <fmt/format.h>

#include "gateway/base/quote.h"

namespace gemel::config {
namespace {

// No key is longer, and the distance is quadratic.
constexpr size_t kComparedBytesMax = 64;

bool IsAlnum(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

// Insertions, deletions, replacements and swaps of neighbours that lead from one to the other.
size_t Distance(std::string_view a, std::string_view b) {
  std::vector<size_t> before(b.size() + 1);
  std::vector<size_t> previous(b.size() + 1);
  std::vector<size_t> current(b.size() + 1);
  std::iota(previous.begin(), previous.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    current[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = previous[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      current[j] = std::min({previous[j] + 1, current[j - 1] + 1, replaced});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        current[j] = std::min(current[j], before[j - 2] + 1);
      }
    }
    std::swap(before, previous);
    std::swap(previous, current);
  }
  return previous[b.size()];
}

}  // namespace

std::string ShownKey(std::string_view key) {
  const bool is_word = !key.empty() && key.size() <= kQuoteBytesMax &&
                       std::ranges::all_of(key, [](char c) { return IsAlnum(c) || c == '_'; });
  return is_word ? std::string(key) : Quote(key);
}

std::string Joined(std::string_view parent, std::string_view key) {
  return parent.empty() ? ShownKey(key) : fmt::format("{}.{}", parent, ShownKey(key));
}

std::string Joined(std::string_view parent, size_t index) {
  return fmt::format("{}[{}]", parent, index);
}

std::string Lower(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return lower;
}

std::string_view Nearest(std::string_view given, std::span<const std::string> candidates) {
  if (given.size() > kComparedBytesMax) return {};
  std::string_view best;
  size_t best_distance = std::max<size_t>(2, given.size() / 3) + 1;
  for (const std::string& candidate : candidates) {
    if (candidate.size() > kComparedBytesMax) continue;
    const size_t distance = Distance(given, candidate);
    // Nothing of the given text left is no likeness.
    if (distance >= best_distance || distance >= std::max(given.size(), candidate.size())) continue;
    best_distance = distance;
    best = candidate;
  }
  return best;
}

std::string Suggestion(std::string_view given, std::span<const std::string> candidates) {
  const std::string_view nearest = Nearest(given, candidates);
  return nearest.empty() ? "" : fmt::format("; did you mean {}?", nearest);
}

std::string PercentEncoded(std::string_view text) {
  std::string encoded;
  for (const char c : text) {
    if (IsAlnum(c) || c == '-' || c == '.' || c == '_' || c == '~') {
      encoded += c;
    } else {
      encoded += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return encoded;
}

}  // namespace gemel::config
