#include "gateway/journal/record.h"

#include <cstring>

namespace gemel::journal {
namespace {

size_t CapturesSize(const Record& record) {
  size_t size = 0;
  for (const RecordCapture& capture : record.captures)
    size += 2 * sizeof(uint16_t) + capture.text.size();
  return size;
}

char* Append(char* at, std::string_view text) {
  if (!text.empty()) std::memcpy(at, text.data(), text.size());
  return at + text.size();
}

}  // namespace

size_t EncodedSize(const Record& record) {
  return sizeof(RecordView::Fixed) + record.symbols.size_bytes() + record.id.size() +
         CapturesSize(record) + record.payload.size() + record.outer.size() + kReadAhead;
}

void Encode(const Record& record, std::byte* to) {
  RecordView::Fixed fixed{};
  fixed.lsn = record.lsn;
  fixed.key_hash = record.key_hash;
  fixed.record_time_us = record.record_time.time_since_epoch().count();
  fixed.event_time_us = record.event_time.time_since_epoch().count();
  fixed.repeat_key = record.repeat_key;
  fixed.kind = static_cast<uint16_t>(record.kind);
  fixed.model = record.model;
  fixed.route = record.route;
  fixed.codec = record.codec;
  fixed.repeat = static_cast<uint8_t>(record.repeat);
  fixed.item = record.item;
  if (IsDerived(record.kind)) {
    fixed.repeat_key = record.cause.lsn;
    fixed.item = record.cause.ordinal;
    fixed.depth = record.depth;
  }
  fixed.id_size = static_cast<uint16_t>(record.id.size());
  fixed.symbols = static_cast<uint16_t>(record.symbols.size());
  fixed.captures = static_cast<uint16_t>(record.captures.size());

  std::byte* after = to + sizeof fixed;
  if (!record.symbols.empty())
    std::memcpy(after, record.symbols.data(), record.symbols.size_bytes());
  char* const text = reinterpret_cast<char*>(after + record.symbols.size_bytes());
  char* at = Append(text, record.id);
  fixed.captures_offset = static_cast<uint32_t>(at - text);
  for (const RecordCapture& capture : record.captures) {
    const uint16_t head[2] = {capture.field, static_cast<uint16_t>(capture.text.size())};
    std::memcpy(at, head, sizeof head);
    at = Append(at + sizeof head, capture.text);
  }
  fixed.payload_offset = static_cast<uint32_t>(at - text);
  fixed.payload_size = static_cast<uint32_t>(record.payload.size());
  at = Append(at, record.payload);
  fixed.outer_offset = static_cast<uint32_t>(at - text);
  fixed.outer_size = static_cast<uint32_t>(record.outer.size());
  at = Append(at, record.outer);
  std::memset(at, 0, kReadAhead);
  std::memcpy(to, &fixed, sizeof fixed);
}

bool IsRecord(std::span<const std::byte> bytes) {
  if (bytes.size() < sizeof(RecordView::Fixed)) return false;
  RecordView::Fixed fixed;
  std::memcpy(&fixed, bytes.data(), sizeof fixed);
  size_t room = bytes.size() - sizeof fixed;
  if (fixed.symbols * sizeof(RecordSymbol) > room) return false;
  room -= fixed.symbols * sizeof(RecordSymbol);
  const auto fits = [room](uint64_t offset, uint64_t size) { return offset + size <= room; };
  if (!fits(0, fixed.id_size) || !fits(fixed.payload_offset, fixed.payload_size) ||
      !fits(fixed.outer_offset, fixed.outer_size)) {
    return false;
  }
  const std::byte* const text = bytes.data() + bytes.size() - room;
  uint64_t at = fixed.captures_offset;
  for (uint16_t i = 0; i < fixed.captures; ++i) {
    uint16_t head[2];
    if (!fits(at, sizeof head)) return false;
    std::memcpy(head, text + at, sizeof head);
    at += sizeof head + head[1];
  }
  return fits(at, 0);
}

void EncodeSent(std::span<const EffectId> effects, std::string& payload) {
  payload.clear();
  for (const EffectId& effect : effects) {
    const uint64_t words[2] = {effect.lsn, effect.ordinal};
    payload.append(reinterpret_cast<const char*>(words), sizeof words);
  }
}

void EncodeOutcomes(std::span<const EndedEffect> effects, std::string& payload) {
  payload.clear();
  for (const auto& [id, outcome] : effects) {
    const uint32_t words[2] = {id.ordinal, static_cast<uint32_t>(outcome)};
    payload.append(reinterpret_cast<const char*>(&id.lsn), sizeof id.lsn);
    payload.append(reinterpret_cast<const char*>(words), sizeof words);
  }
}

OwnedRecord::OwnedRecord(const Record& from)
    : record_(from), id_(from.id), payload_(from.payload) {}

Record OwnedRecord::view() const {
  Record viewed = record_;
  viewed.id = id_;
  viewed.payload = payload_;
  viewed.outer = {};
  return viewed;
}

RecordView::RecordView(std::span<const std::byte> bytes)
    : fixed_(reinterpret_cast<const Fixed*>(bytes.data())),
      symbols_(reinterpret_cast<const RecordSymbol*>(bytes.data() + sizeof(Fixed))),
      text_(reinterpret_cast<const char*>(symbols_ + fixed_->symbols)) {}

}  // namespace gemel::journal
