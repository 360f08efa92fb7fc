#pragma once

#include <memory>

#include "gateway/mqtt/client.h"

namespace gemel::mqtt {

// The publisher over Eclipse Paho's synchronous C client, which survives a broker that freezes and
// dies under fire; the asynchronous one frees messages twice there. It has a lock and a thread of
// its own, so publishing and receiving don't wait for each other.
//
// The connection carries `last_will`, unless its topic is empty. Connect always makes a fresh
// client: what an old one had in flight is never sent behind the caller's back.
std::unique_ptr<Publisher> MakePahoPublisher(Connection connection, Outbound last_will);

}  // namespace gemel::mqtt
