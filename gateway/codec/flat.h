#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <string_view>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "gateway/base/limits.h"
#include "gateway/codec/field_map.h"
#include "gateway/codec/scalar.h"
#include "gateway/codec/trie.h"

// The kind of JSON that nearly all telemetry is, in one pass without a parser's buffers: an object
// of texts in plain ASCII, numbers that need no rounding, true, false and null. Whatever is
// beyond that is left to simdjson, which also says what is wrong with it; what is read here is read
// just as simdjson reads it, which a fuzz test holds.
namespace gemel::codec {

enum class Flat : uint8_t {
  kWhole,    // the text is one such object
  kStopped,  // visit had enough; nothing is known of the rest
  kNot       // it is something else, or broken: what was visited means nothing
};

namespace flat {

// Two ways to look for the end of something, several bytes at a time: Words on any processor,
// Vectors where every one of its kind has them. Each says where the first of the bytes stands that
// it looks for, kBytes if there is none among the next kBytes.
struct Words {
  static constexpr size_t kBytes = sizeof(uint64_t);

  // A quote, a backslash, a control character or something beyond ASCII.
  static size_t EndOfPlainText(const char* at) {
    const uint64_t word = Load(at);
    return First(Equal(word, '"') | Equal(word, '\\') | Below(word, ' ') | word);
  }
  // What may follow a scalar, a bracket that opens, or a quote.
  static size_t EndOfScalar(const char* at) {
    const uint64_t word = Load(at);
    // "[" and "{" have one bit between them, and no other character does.
    return First(Equal(word, ',') | Equal(word, '}') | Equal(word, '"') |
                 Equal(word | kOnes * 0x20, '{'));
  }

 private:
  static constexpr uint64_t kOnes = 0x0101'0101'0101'0101;
  static_assert(std::endian::native == std::endian::little, "the first byte is the lowest");

  static uint64_t Load(const char* at) {
    uint64_t word = 0;
    std::memcpy(&word, at, sizeof word);
    return word;
  }
  // Sets the highest bit of those bytes that equal a character, or are below it; other bits are
  // noise. Exact up to the first such byte: the subtractions may borrow from those above it.
  static uint64_t Equal(uint64_t word, char character) {
    const uint64_t rest = word ^ kOnes * static_cast<unsigned char>(character);
    return (rest - kOnes) & ~rest;
  }
  static uint64_t Below(uint64_t word, char character) {
    return (word - kOnes * static_cast<unsigned char>(character)) & ~word;
  }
  static size_t First(uint64_t marks) {
    return static_cast<size_t>(std::countr_zero(marks & kOnes * 0x80)) / 8;
  }
};

#ifdef __SSE2__
struct Vectors {
  static constexpr size_t kBytes = sizeof(__m128i);

  static size_t EndOfPlainText(const char* at) {
    const __m128i bytes = Load(at);
    // Signed, so that all beyond ASCII is below a blank, too.
    return First(_mm_or_si128(_mm_or_si128(Equal(bytes, '"'), Equal(bytes, '\\')),
                              _mm_cmplt_epi8(bytes, _mm_set1_epi8(' '))));
  }
  static size_t EndOfScalar(const char* at) {
    const __m128i bytes = Load(at);
    const __m128i is_opened = Equal(_mm_or_si128(bytes, _mm_set1_epi8(0x20)), '{');
    return First(_mm_or_si128(_mm_or_si128(Equal(bytes, ','), Equal(bytes, '}')),
                              _mm_or_si128(Equal(bytes, '"'), is_opened)));
  }

 private:
  static __m128i Load(const char* at) {
    return _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
  }
  static __m128i Equal(__m128i bytes, char character) {
    return _mm_cmpeq_epi8(bytes, _mm_set1_epi8(character));
  }
  static size_t First(__m128i marks) {
    const auto bits = static_cast<uint32_t>(_mm_movemask_epi8(marks));
    return static_cast<size_t>(std::countr_zero(bits | 1U << kBytes));
  }
};
using Look = Vectors;
#else
using Look = Words;
#endif

// Where the quote stands that closes a text; nullptr if something else comes before it.
inline const char* EndOfText(const char* at, const char* end) {
  for (; at < end; at += Look::kBytes) {
    const size_t stop = Look::EndOfPlainText(at);
    if (stop == Look::kBytes) continue;
    at += stop;
    return at < end && *at == '"' ? at : nullptr;
  }
  return nullptr;
}

// May look at the byte behind the end.
inline const char* SkipBlank(const char* at, const char* end) {
  if (static_cast<unsigned char>(*at) > ' ') return at;
  while (at < end && (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t')) ++at;
  return at;
}

// Digits from `at` on, at most 20 of them; adds them to `number`.
inline const char* ReadDigits(const char* at, uint64_t& number) {
  const char* const stop = at + 20;
  for (; at < stop; ++at) {
    const unsigned digit = static_cast<unsigned char>(*at) - unsigned{'0'};
    if (digit > 9) break;
    number = number * 10 + digit;
  }
  return at;
}

// Behind a number; nullptr if it is none, or takes care to read: an exponent, 2^53 or more before
// it is scaled, over 18 digits. A quotient of two integers that a double holds is rounded once, so
// it is the nearest double (Clinger, "How to read floating point numbers accurately", 1990).
inline const char* ReadNumber(const char* at, Scalar& value) {
  static constexpr std::array<double, 19> kPowers = {1,    1e1,  1e2,  1e3,  1e4,  1e5,  1e6,
                                                     1e7,  1e8,  1e9,  1e10, 1e11, 1e12, 1e13,
                                                     1e14, 1e15, 1e16, 1e17, 1e18};
  constexpr uint64_t kExactMax = uint64_t{1} << 53;
  const bool is_negative = *at == '-';
  at += is_negative ? 1 : 0;
  uint64_t number = 0;
  const char* const first = at;
  at = ReadDigits(at, number);
  const auto digits = static_cast<size_t>(at - first);
  if (digits == 0 || digits > 18 || (digits > 1 && *first == '0')) return nullptr;
  if (*at != '.') {
    value.kind = Scalar::Kind::kInteger;
    value.integer = is_negative ? -static_cast<int64_t>(number) : static_cast<int64_t>(number);
    return *at == 'e' || *at == 'E' ? nullptr : at;
  }
  const char* const point = at++;
  at = ReadDigits(at, number);
  const auto decimals = static_cast<size_t>(at - point) - 1;
  if (decimals == 0 || digits + decimals > 18 || number > kExactMax) return nullptr;
  value.kind = Scalar::Kind::kDouble;
  value.number = static_cast<double>(number) / kPowers[decimals];
  if (is_negative) value.number = -value.number;
  return *at == 'e' || *at == 'E' ? nullptr : at;
}

// Behind a value; nullptr if it is of another kind.
inline const char* ReadValue(const char* at, const char* end, Scalar& value) {
  const auto is = [at](std::string_view word) {
    return std::memcmp(at, word.data(), word.size()) == 0;
  };
  switch (*at) {
    case '"': {
      const char* const stop = EndOfText(at + 1, end);
      if (stop == nullptr) return nullptr;
      value.kind = Scalar::Kind::kText;
      value.text = {at + 1, static_cast<size_t>(stop - at - 1)};
      return stop + 1;
    }
    case 't':
    case 'f':
      value.kind = Scalar::Kind::kBool;
      value.boolean = *at == 't';
      return is("true") ? at + 4 : is("false") ? at + 5 : nullptr;
    case 'n':
      value.kind = Scalar::Kind::kNull;
      return is("null") ? at + 4 : nullptr;
    default:
      return ReadNumber(at, value);
  }
}

// Behind a value that nobody wants: valid or not, it has ended where the next member may begin.
inline const char* SkipValue(const char* at, const char* end) {
  if (*at == '"') {
    const char* const stop = EndOfText(at + 1, end);
    return stop == nullptr ? nullptr : stop + 1;
  }
  for (; at < end; at += Look::kBytes) {
    const size_t stop = Look::EndOfScalar(at);
    if (stop == Look::kBytes) continue;
    at += stop;
    return *at == ',' || *at == '}' ? at : nullptr;
  }
  return nullptr;
}

}  // namespace flat

// What to do with a value that nobody asked for.
enum class Unasked : uint8_t {
  kCheck,
  kSkip,  // whether it is valid is seen by somebody else
};

// Calls visit(node, value), which returns false to stop, for those members in their order that have
// a node among `wanted`. Texts are views into the text. REQUIRES: kPadding readable bytes behind it
template <Unasked unasked, typename Visit>
Flat ReadFlat(std::string_view text, const Trie::Children& wanted, const Visit& visit) {
  // A number or a word is looked at without a check for the end, and no further than this.
  static_assert(kPadding >= 48);
  using flat::SkipBlank;
  const char* const end = text.data() + text.size();
  const char* at = SkipBlank(text.data(), end);
  if (at >= end || *at != '{') return Flat::kNot;
  at = SkipBlank(at + 1, end);
  bool is_more = *at != '}';
  for (size_t members = 0; is_more; ++members) {
    if (at >= end || *at != '"' || members == kPayloadMembersMax) return Flat::kNot;
    const char* const quote = flat::EndOfText(at + 1, end);
    if (quote == nullptr) return Flat::kNot;
    const std::string_view key(at + 1, static_cast<size_t>(quote - at - 1));
    at = SkipBlank(quote + 1, end);
    if (*at != ':' || key.size() > kPayloadKeyBytesMax) return Flat::kNot;
    at = SkipBlank(at + 1, end);
    const uint32_t node = wanted.Find(key);
    const bool is_wanted = node != Trie::kNone;
    Scalar value;
    at = is_wanted || unasked == Unasked::kCheck ? flat::ReadValue(at, end, value)
                                                 : flat::SkipValue(at, end);
    if (at == nullptr || at >= end) return Flat::kNot;
    if (is_wanted && !visit(node, value)) return Flat::kStopped;
    at = SkipBlank(at, end);
    is_more = *at == ',';
    if (is_more) at = SkipBlank(at + 1, end);
  }
  if (at >= end || *at != '}') return Flat::kNot;
  return SkipBlank(at + 1, end) == end ? Flat::kWhole : Flat::kNot;
}

}  // namespace gemel::codec
