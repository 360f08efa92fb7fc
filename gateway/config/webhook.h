#pragma once

#include "gateway/base/status.h"
#include "gateway/config/config.h"
#include "gateway/config/origin.h"

namespace gemel::config {

// Reads the files that hold the webhooks' secrets and checks the webhooks. Invalid, naming key,
// value and what is allowed, but never a URL or a header's value.
Status LoadWebhooks(Config& config, const Origin& origin);

// What is accepted and may surprise.
void AddWebhookNotes(Config& config);

}  // namespace gemel::config
