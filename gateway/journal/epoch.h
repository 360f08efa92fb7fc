#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

#include "gateway/base/status.h"
#include "gateway/journal/descriptor.h"

namespace gemel::journal {

// The number of this start, kept in `<journal>/epoch`, so that no LSN (and no command id made of
// one) is ever used twice. Holds the journal's lock while it lives: two gateways can't share a
// journal.
class Epoch {
 public:
  // The lock alone, for who wants a journal to stand still; nothing if a gateway holds it. NotFound
  // if there is no such folder, Unavailable if the disk fails.
  static Result<std::optional<Descriptor>> TryLock(const std::filesystem::path& journal);
  // Locks the folder (made if missing), reads the last epoch, writes the next one and syncs file
  // and folder before it returns. Unavailable if another process holds the lock or the disk fails;
  // Damaged if the file is not what was written (guessing would repeat ids).
  static Result<Epoch> Raise(const std::filesystem::path& journal);
  // The same by who holds the lock.
  static Result<Epoch> RaiseLocked(const std::filesystem::path& journal, Descriptor lock);

  Epoch(Epoch&& other) noexcept;
  Epoch& operator=(Epoch&& other) noexcept;
  ~Epoch();

  uint64_t number() const { return number_; }

 private:
  Epoch(int lock, uint64_t number) : lock_(lock), number_(number) {}
  int lock_;
  uint64_t number_;
};

}  // namespace gemel::journal
