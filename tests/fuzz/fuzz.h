#pragma once

#include <cstddef>
#include <cstdint>

// Entries for fuzzers of what strangers send, or a disk gives back. Each returns 0 and must neither
// crash nor hang; what it accepts must keep the promises that it states. With GEMEL_FUZZ each is a
// libFuzzer program of its own; without, tests/fuzz/mutate_test.cc drives all of them.
namespace gemel::fuzz {

int Json(const uint8_t* data, size_t size);  // envelope and decoder of JSON
int Binary(const uint8_t* data,
           size_t size);                      // the same of CBOR and MessagePack, and text payloads
int Topic(const uint8_t* data, size_t size);  // topics, ids and templates
int Frame(const uint8_t* data, size_t size);  // entries of a journal's frame
int Script(const uint8_t* data, size_t size);       // sources of scripted models
int TwinMessage(const uint8_t* data, size_t size);  // payloads of messages between twins
int Command(const uint8_t* data, size_t size);      // devices' answers and people's commands
int Profile(const uint8_t* data, size_t size);      // what is said of devices

}  // namespace gemel::fuzz
