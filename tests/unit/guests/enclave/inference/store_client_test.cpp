// What the parent's store may send instead of a file.
#include "guests/enclave/inference/store_client.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>

namespace {

using inference::StoredFile;
using inference::StoreError;

// The file `name` of a store that has said these bytes and hung up.
StoredFile stored(const std::string& bytes, const std::string& name = "model", std::string* asked = nullptr) {
  int ends[2] = {-1, -1};
  EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  const relay::Descriptor store(ends[1]);
  EXPECT_EQ(::send(store.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL), static_cast<ssize_t>(bytes.size()));
  ::shutdown(store.get(), SHUT_WR);
  StoredFile file(relay::Descriptor(ends[0]), name);
  char line[64];
  const ssize_t count = ::recv(store.get(), line, sizeof line, MSG_DONTWAIT);
  if (asked != nullptr && count > 0) asked->assign(line, static_cast<std::size_t>(count));
  return file;
}
std::string content_of(const std::string& bytes, std::uint64_t most = 100) {
  StoredFile file = stored(bytes);
  return inference::whole_content(file, most);
}

TEST(StoreClient, TakesAFileOfTheSizeThatWasSaid) {
  std::string asked;
  EXPECT_EQ(stored("ok 5\nhello", "model", &asked).size(), 5U);
  EXPECT_EQ(asked, "GET model\n");
  EXPECT_EQ(content_of("ok 5\nhello"), "hello");
  EXPECT_EQ(content_of("ok 0\n"), "");
  EXPECT_EQ(content_of("ok 5\nhello and more"), "hello") << "what follows is not taken";
}

TEST(StoreClient, AnotherAnswerIsAnError) {
  for (const std::string& head : {std::string(), std::string("\n"), std::string("ok"), std::string("ok\n"), std::string("ok \n"), std::string("ok 5"), std::string("ok -1\n"),
                                  std::string("ok +5\n"), std::string("ok 5 \n"), std::string("ok  5\n"), std::string("ok 5x\n"), std::string("ok 0x5\n"), std::string("ok 5\r\n"),
                                  std::string("OK 5\nhello"), std::string("ok 18446744073709551616\n"), std::string("ok 99999999999999999999999\n"), std::string("error no\n"),
                                  std::string("ok 5\0\nhello", 11), std::string(5000, 'o')}) {
    EXPECT_THROW(static_cast<void>(stored(head)), StoreError) << head;
  }
  EXPECT_THROW(static_cast<void>(content_of("ok 6\nhello")), StoreError) << "cut short";
  EXPECT_THROW(static_cast<void>(content_of("ok 101\n" + std::string(101, 'x'))), StoreError);
  EXPECT_THROW(static_cast<void>(content_of("ok 18446744073709551615\nx")), StoreError) << "before any memory is taken";
}

TEST(StoreClient, PiecesEndWhereTheyEnd) {
  StoredFile file = stored("ok 18446744073709551615\nhello");  // streamed: who reads it decrypts it, and bounds it
  std::array<std::uint8_t, 3> piece{};
  EXPECT_EQ(file.read({}), 0U);
  EXPECT_EQ(file.read(piece), 3U);
  EXPECT_EQ(file.read(piece), 2U);
  EXPECT_EQ(file.read(piece), 0U);
}

}  // namespace
