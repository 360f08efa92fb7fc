#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "gateway/base/assert.h"

namespace gemel {

// What kind of failure a Status reports. The caller decides by it; people read the message.
enum class Code : unsigned char {
  kOk,
  kInvalid,      // what was given is wrong: configuration, arguments, bytes of a device
  kNotFound,     // there is no such thing
  kUnavailable,  // the outside world does not answer now: broker, disk, port
  kDamaged,      // a file is not what was written
  kFull,         // a bound was reached; trying later may help
};

// The outcome of something that the outside world can make fail. One word wide; success
// allocates nothing. A message names what failed, which value and what is allowed.
class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(Code code, std::string message)
      : failure_(std::make_unique<Failure>(Failure{code, std::move(message)})) {}

  static Status Ok() { return {}; }

  bool ok() const { return failure_ == nullptr; }
  Code code() const { return failure_ ? failure_->code : Code::kOk; }
  // Empty when ok.
  const std::string& message() const {
    static const std::string kNone;
    return failure_ ? failure_->message : kNone;
  }

 private:
  struct Failure {
    Code code;
    std::string message;
  };
  std::unique_ptr<Failure> failure_;
};

inline Status Invalid(std::string message) { return {Code::kInvalid, std::move(message)}; }
inline Status NotFound(std::string message) { return {Code::kNotFound, std::move(message)}; }
inline Status Unavailable(std::string message) { return {Code::kUnavailable, std::move(message)}; }
inline Status Damaged(std::string message) { return {Code::kDamaged, std::move(message)}; }

// A value, or the Status that says why there is none.
template <typename T>
class [[nodiscard]] Result {
 public:
  // NOLINTNEXTLINE(google-explicit-constructor): reads as a return
  Result(T value) : value_(std::move(value)) {}
  Result(Status status) : status_(std::move(status)) {  // NOLINT(google-explicit-constructor)
    GEMEL_ASSERT(!status_.ok());
  }

  bool ok() const { return value_.has_value(); }
  const Status& status() const& { return status_; }
  Status status() && { return std::move(status_); }

  // REQUIRES: ok()
  T& value() & {
    GEMEL_ASSERT(ok());
    return *value_;
  }
  const T& value() const& {
    GEMEL_ASSERT(ok());
    return *value_;
  }
  T&& value() && {
    GEMEL_ASSERT(ok());
    return std::move(*value_);
  }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }

 private:
  std::optional<T> value_;
  Status status_;
};

}  // namespace gemel

// Returns from the enclosing function if `expression`, a Status, is a failure.
#define GEMEL_TRY(expression)                                                      \
  do {                                                                             \
    if (::gemel::Status gemel_try_status = (expression); !gemel_try_status.ok()) { \
      return gemel_try_status;                                                     \
    }                                                                              \
  } while (false)

#define GEMEL_TRY_JOIN2(a, b) a##b
#define GEMEL_TRY_JOIN(a, b) GEMEL_TRY_JOIN2(a, b)

// Declares `variable` from a Result, or returns its failure: GEMEL_TRY_LET(auto n, Parse(text));
#define GEMEL_TRY_LET(variable, expression) \
  GEMEL_TRY_LET_IMPL(GEMEL_TRY_JOIN(gemel_result_, __LINE__), variable, expression)
#define GEMEL_TRY_LET_IMPL(result, variable, expression) \
  auto result = (expression);                            \
  if (!result.ok()) return std::move(result).status();   \
  variable = std::move(result).value()
