#include "gateway/base/hex_text.h"

#include <gtest/gtest.h>

namespace gemel {
namespace {

TEST(HexTextTest, EveryByteComesBack) {
  std::vector<std::byte> bytes(256);
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(i);
  std::string text = "x";
  AppendHex(bytes, text);
  EXPECT_EQ(text.substr(0, 9), "x00010203");
  EXPECT_EQ(text.substr(text.size() - 4), "feff");
  EXPECT_EQ(FromHex(text.substr(1)), bytes);
  EXPECT_EQ(FromHex(""), std::vector<std::byte>());
}

TEST(HexTextTest, WhatIsNoSuchTextIsRefused) {
  for (const char* text : {"0", "000", "0g", "FF", " 0", "0x", "-1"}) {
    EXPECT_EQ(FromHex(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace gemel
