#pragma once

namespace gemel::support {

// How often a test does what it repeats. Under a sanitizer a round takes up to thirty times as
// long, and what is looked for is a wrong access in the code that a round passes through, not the
// one moment in a thousand: a few rounds show it.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kIsSanitized = true;
#else
inline constexpr bool kIsSanitized = false;
#endif
template <typename T>
constexpr T Rounds(T usual, T sanitized) {
  return kIsSanitized ? sanitized : usual;
}

}  // namespace gemel::support
