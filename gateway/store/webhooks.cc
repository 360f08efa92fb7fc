// The part of the store that keeps what webhooks have not got yet, and since when there are which.

#include <algorithm>
#include <set>

#include "gateway/store/store.h"

namespace gemel::store {

Result<std::map<std::string, Lsn, std::less<>>> Store::EnrolWebhooks(
    const std::vector<std::string>& names, Lsn next) {
  std::map<std::string, Lsn, std::less<>> known;
  Result<Sum> read = RestoreAll(kWebhooks, [&known](const CheckedRow& row) {
    known.emplace(row.text(0), static_cast<Lsn>(row.integer(1)));
    return Status::Ok();
  });
  if (!read.ok()) return WithAdvice(std::move(read).status());
  // Where nothing was saved yet the journal is all there is, and what it decides was sent to
  // nobody.
  const bool is_new = std::ranges::all_of(checkpoints_, [](Lsn lsn) { return lsn == kNoLsn; });
  std::map<std::string, Lsn, std::less<>> since;
  for (const std::string& name : names) {
    const auto found = known.find(name);
    since[name] = found != known.end() ? found->second : is_new ? kNoLsn : next;
  }
  if (since == known) return since;
  GEMEL_TRY(database_.Run("BEGIN IMMEDIATE"));
  Status status = WriteWebhooks(since);
  if (status.ok()) status = database_.Run("COMMIT");
  if (!status.ok()) {
    static_cast<void>(database_.Run("ROLLBACK"));
    return status;
  }
  GEMEL_TRY(Checkpoint().status());
  return since;
}

Status Store::WriteWebhooks(const std::map<std::string, Lsn, std::less<>>& since) {
  GEMEL_TRY(database_.Run("DELETE FROM gemel_webhooks"));
  GEMEL_TRY_LET(sqlite::Statement insert,
                database_.Prepare("INSERT INTO gemel_webhooks VALUES (?1, ?2, ?3)"));
  Sum sum;
  for (const auto& [name, lsn] : since) {
    writer_.Begin(insert, kWebhooks);
    writer_.Add(std::string_view(name));
    writer_.Add(static_cast<int64_t>(lsn));
    sum.checksums += writer_.Finish();
    ++sum.rows;
    GEMEL_TRY(insert.Run());
  }
  return WriteSum(kWebhooks, "", sum);
}

Status Store::WriteWebhookEffects(const WebhookEffects& effects) {
  if (!webhook_rows_) {
    GEMEL_TRY(database_.Run("DELETE FROM gemel_webhook_outbox"));
    webhook_rows_.emplace();
  } else if (webhook_rows_->empty() && effects.empty()) {
    return Status::Ok();
  }
  GEMEL_TRY_LET(
      sqlite::Statement insert,
      database_.Prepare("INSERT INTO gemel_webhook_outbox (webhook, lsn, ordinal, "
                        "key_hash, decided_us, lifetime_us, payload, gemel_crc, position) "
                        "VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9)"));
  GEMEL_TRY_LET(sqlite::Statement remove,
                database_.Prepare("DELETE FROM gemel_webhook_outbox WHERE position = ?1"));
  std::set<WebhookKey> waiting;
  for (const auto& owned : effects) {
    WebhookKey key{owned->webhook, owned->effect.id.lsn, owned->effect.id.ordinal};
    if (!webhook_rows_->contains(key)) {
      GEMEL_TRY_LET(const Row row, InsertWebhookEffect(insert, *owned));
      webhook_rows_->emplace(key, row);
    }
    waiting.insert(std::move(key));
  }
  Sum sum;
  for (auto row = webhook_rows_->begin(); row != webhook_rows_->end();) {
    if (waiting.contains(row->first)) {
      sum.checksums += row->second.checksum;
      ++sum.rows;
      ++row;
      continue;
    }
    remove.Bind(1, static_cast<int64_t>(row->second.number));
    GEMEL_TRY(remove.Run());
    row = webhook_rows_->erase(row);
  }
  return WriteSum(kWebhookOutbox, "", sum);
}

Result<Store::Row> Store::InsertWebhookEffect(sqlite::Statement& insert,
                                              const effects::OwnedEffect& owned) {
  const effects::Effect effect = owned.view();
  writer_.Begin(insert, kWebhookOutbox);
  writer_.Add(effect.webhook);
  writer_.Add(static_cast<int64_t>(effect.id.lsn));
  writer_.Add(int64_t{effect.id.ordinal});
  writer_.Add(static_cast<int64_t>(effect.key_hash));
  writer_.Add(effect.decided.time_since_epoch().count());
  writer_.Add(effect.lifetime.count());
  writer_.Add(effect.payload);
  Row row{.number = next_webhook_row_++, .checksum = writer_.Finish()};
  insert.Bind(writer_.parameters() + 1, static_cast<int64_t>(row.number));
  GEMEL_TRY(insert.Run());
  return row;
}

}  // namespace gemel::store
