#pragma once

#include <filesystem>
#include <set>
#include <span>
#include <string>

#include "gateway/base/lsn.h"
#include "gateway/base/status.h"

namespace gemel::journal {

// Records that were set aside, because the process died twice while it applied them: a kSkipped
// record names them, and no replay applies them again. It comes behind the records that it names,
// so whoever replays asks here first.

// The payload of a kSkipped record.
void EncodeSkipped(std::span<const Lsn> lsns, std::string& payload);

// All that the journal in the folder names. Reads the first frame of each segment and no more,
// because such a record stands nowhere else; what is damaged is for JournalReader to say.
// Unavailable if the folder can't be read.
Result<std::set<Lsn>> FindSkipped(const std::filesystem::path& folder);

}  // namespace gemel::journal
