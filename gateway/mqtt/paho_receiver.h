#pragma once

#include <memory>
#include <string>
#include <vector>

#include "gateway/mqtt/client.h"

namespace gemel::mqtt {

// The receiver over Eclipse Paho's asynchronous C++ client. Nothing of Paho's is kept on disk: what
// the broker was told is safe is the handler's to keep. On MQTT 3.1.1 subscriptions are capped at
// QoS 1, because Paho loses QoS 2 messages there when the process dies in between.
//
// All async clients of a process share one thread and one lock of Paho's, and the handler runs on
// that thread under that lock: what it waits for, every other client waits for too.
//
// `unsubscribe` are filters of routes that went away: the session still has them, so they are
// unsubscribed at the first connection.
std::unique_ptr<Receiver> MakePahoReceiver(Connection connection,
                                           std::vector<std::string> unsubscribe = {});

}  // namespace gemel::mqtt
