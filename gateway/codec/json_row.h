#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/base/status.h"

namespace gemel::codec {

// What to keep of a JSON object: a tree of members' names.
class KeptMembers {
 public:
  // Keeps what stands at the pointer of these tokens; all, if there are none.
  void Add(std::span<const std::string> tokens);
  bool is_all() const { return is_all_; }

 private:
  friend class JsonRow;
  std::string name_;
  std::string json_name_;
  bool is_all_ = false;
  std::vector<KeptMembers> members_;
};

// One JSON object of a recorded set. Reuses its buffers; one thread.
class JsonRow {
 public:
  JsonRow();
  ~JsonRow();

  // Invalid, saying why, unless the text is one JSON object.
  Status Parse(std::string_view text);

  // Of the object parsed last. The text of a string, a number or a boolean; empty for anything else
  // and where nothing stands. Lives until the next Parse, or while `scratch` is unchanged.
  std::string_view ScalarAt(std::string_view pointer, std::string& scratch) const;
  // Appends an object of what is kept and there, in the order of Add.
  void AppendKept(const KeptMembers& kept, std::string& out) const;

 private:
  struct Document;
  std::unique_ptr<Document> document_;
};

}  // namespace gemel::codec
