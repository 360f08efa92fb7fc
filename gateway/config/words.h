#pragma once

#include <span>
#include <string>
#include <string_view>

// Pieces of messages, and the one encoding of names that the configuration needs.
namespace gemel::config {

// A key as it stands in a path: plain if it is a word, else quoted.
std::string ShownKey(std::string_view key);

// `parent.key`, or `key` alone at the root.
std::string Joined(std::string_view parent, std::string_view key);
// `parent[index]`
std::string Joined(std::string_view parent, size_t index);

// ASCII letters in lower case, all else as it is.
std::string Lower(std::string_view text);

// The candidate that was probably meant, or empty if none is near enough to be worth a guess.
std::string_view Nearest(std::string_view given, std::span<const std::string> candidates);

// "; did you mean X?", or nothing.
std::string Suggestion(std::string_view given, std::span<const std::string> candidates);

// Letters, digits and -._~ stay (RFC 3986, 2.3), every other byte becomes %XX: fit for a topic
// level, a path of a URL, a twin's id and a label.
std::string PercentEncoded(std::string_view text);

}  // namespace gemel::config
