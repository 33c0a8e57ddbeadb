// What an enclave, which the parent does not trust either, gets out of a folder: the regular files that lie in it, and nothing else.
#include "guests/parent/store/folder_server.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <thread>
#include <vector>

#include "guests/parent/store/stream_places.hpp"

namespace {

using parent_store::FolderServer;
using parent_store::StreamPlaces;
using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

class FolderServerTest : public ::testing::Test {
 protected:
  FolderServerTest() {
    char name[] = "/tmp/folder-server-XXXXXX";
    top_ = ::mkdtemp(name);
    folder_ = top_ / "store";
    std::filesystem::create_directories(folder_ / "inner");
    write(top_ / "secret", "outside");
    write(folder_ / "inner/file", "inside a folder");
    write(folder_ / "file", "content");
    write(folder_ / ".hidden", "hidden");
    write(folder_ / "empty", "");
  }
  ~FolderServerTest() override { std::filesystem::remove_all(top_); }
  static void write(const std::filesystem::path& path, const std::string& content) { std::ofstream(path) << content; }

  struct Pair {
    Pair() { EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0); }
    ~Pair() {
      for (const int end : ends) {
        if (end >= 0) ::close(end);
      }
    }
    void close(int which) {
      ::close(ends[which]);
      ends[which] = -1;
    }
    int ends[2]{-1, -1};
  };
  // The whole answer to these bytes.
  std::string answer(const std::string& bytes, std::chrono::milliseconds request_time = 10s) {
    Pair pair;
    const FolderServer server(folder_, [this](const std::string& text) { said_.push_back(text); }, request_time);
    std::thread serving([&] {
      server.serve(pair.ends[1]);
      pair.close(1);
    });
    EXPECT_EQ(::send(pair.ends[0], bytes.data(), bytes.size(), MSG_NOSIGNAL), static_cast<ssize_t>(bytes.size()));
    std::string text = rest(pair.ends[0]);
    serving.join();
    return text;
  }
  static std::string rest(int socket) {
    std::string text;
    char buffer[4096];
    for (ssize_t count = 0; (count = ::recv(socket, buffer, sizeof buffer, 0)) > 0;) text.append(buffer, static_cast<std::size_t>(count));
    return text;
  }

  std::filesystem::path top_, folder_;
  std::vector<std::string> said_;
};

TEST_F(FolderServerTest, GivesAFileWhole) {
  EXPECT_EQ(answer("GET file\n"), "ok 7\ncontent");
  EXPECT_EQ(answer("GET empty\n"), "ok 0\n");
  EXPECT_EQ(answer("GET nothing\n"), "error No such file or directory\n");
  const std::string large(1'000'003, 'x');
  write(folder_ / "large", large);
  EXPECT_EQ(answer("GET large\n"), "ok 1000003\n" + large);
}

TEST_F(FolderServerTest, NoNameLeadsOutOfTheFolder) {
  std::filesystem::create_symlink(top_ / "secret", folder_ / "link");
  std::filesystem::create_symlink("../secret", folder_ / "relative");
  std::filesystem::create_symlink("file", folder_ / "within");
  std::filesystem::create_directory_symlink(top_, folder_ / "folder");
  const std::string names[] = {"../secret", "inner/file", "./file", "/etc/passwd", top_ / "secret", ".", "..", ".hidden", "", " file", "file ", "file\r", "link", "relative",
                               "within", "folder", "folder/secret", "inner", "..\\secret", "%2e%2e/secret", "file\t", std::string("file\0x", 6), "\xc3\xa4", "file;ls", "$HOME",
                               std::string(128, 'a'), std::string(129, 'a'), std::string(4000, 'a')};
  for (const std::string& name : names) {
    const std::string text = answer("GET " + name + "\n");
    EXPECT_TRUE(text.starts_with("error ")) << name << ": " << text;
    EXPECT_TRUE(text.ends_with("\n") && text.find('\n') == text.size() - 1) << text;
    EXPECT_EQ(text.find("outside"), text.npos);
  }
  EXPECT_EQ(answer("GET within\n"), "error Too many levels of symbolic links\n");
}

TEST_F(FolderServerTest, SpecialFilesHoldNobodyUp) {
  ASSERT_EQ(::mkfifo((folder_ / "fifo").c_str(), 0600), 0);
  const int socket = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
  (folder_ / "socket").string().copy(address.sun_path, sizeof address.sun_path - 1);
  ASSERT_EQ(::bind(socket, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  EXPECT_EQ(answer("GET fifo\n"), "error not a regular file\n");
  EXPECT_TRUE(answer("GET socket\n").starts_with("error "));
  EXPECT_EQ(answer("GET inner\n"), "error not a regular file\n");
  ::close(socket);
}

TEST_F(FolderServerTest, AFileOfManyTerabytesIsAnnouncedAndNotRead) {
  const int file = ::open((folder_ / "huge").c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600);
  constexpr std::uint64_t kHuge = std::uint64_t{1} << 42;
  if (::ftruncate(file, static_cast<off_t>(kHuge)) != 0) {
    ::close(file);
    GTEST_SKIP() << "this file system holds no file of 4 TiB";
  }
  ::close(file);
  Pair pair;
  const FolderServer server(folder_, [](const std::string&) {});
  std::thread serving([&] { server.serve(pair.ends[1]); });
  ASSERT_GT(::send(pair.ends[0], "GET huge\n", 9, MSG_NOSIGNAL), 0);
  const std::string head = "ok " + std::to_string(kHuge) + "\n";
  std::string text(head.size(), '\0');
  ASSERT_EQ(::recv(pair.ends[0], text.data(), text.size(), MSG_WAITALL), static_cast<ssize_t>(head.size()));
  EXPECT_EQ(text, head);
  pair.close(0);
  serving.join();
}

TEST_F(FolderServerTest, AFileThatChangesWhileItIsReadNeverGivesMoreThanWasSaid) {
  constexpr std::size_t kSize = 4 << 20;
  for (const bool grows : {true, false}) {
    write(folder_ / "changing", std::string(kSize, 'x'));
    Pair pair;
    const FolderServer server(folder_, [](const std::string&) {});
    std::thread serving([&] {
      server.serve(pair.ends[1]);
      pair.close(1);
    });
    ASSERT_GT(::send(pair.ends[0], "GET changing\n", 13, MSG_NOSIGNAL), 0);
    const std::string head = "ok " + std::to_string(kSize) + "\n";
    std::string text(head.size(), '\0');
    ASSERT_EQ(::recv(pair.ends[0], text.data(), text.size(), MSG_WAITALL), static_cast<ssize_t>(head.size()));
    ASSERT_EQ(::truncate((folder_ / "changing").c_str(), grows ? 2 * kSize : 1000), 0);  // the socket holds less than the file has
    const std::string content = rest(pair.ends[0]);
    serving.join();
    if (grows) EXPECT_EQ(content.size(), kSize);
    else EXPECT_LT(content.size(), kSize);
  }
}

TEST_F(FolderServerTest, WhatIsSaidIsNoOrderToATerminal) {
  EXPECT_EQ(answer("SAY serving small\n"), "ok 0\n");
  EXPECT_EQ(answer("SAY \x1b[2Jgone\r\x07\xc2\x9b\n"), "ok 0\n");
  EXPECT_EQ(answer("SAY \n"), "ok 0\n");
  EXPECT_EQ(said_, (std::vector<std::string>{"serving small", "?[2Jgone????", ""}));
}

TEST_F(FolderServerTest, OtherBytesAreAnErrorAndNothingMore) {
  for (const std::string& bytes : {std::string("\n"), std::string("GET\n"), std::string("get file\n"), std::string("PUT file\n"), std::string("GET\0file\n", 9),
                                   std::string("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), std::string("SAYx\n"), std::string("\xff\xfe\n")}) {
    EXPECT_TRUE(answer(bytes).starts_with("error ")) << bytes;
  }
  EXPECT_EQ(answer("SAY " + std::string(parent_store::kLongestLine - 5, 'x') + "\n"), "ok 0\n");
  EXPECT_EQ(answer("SAY " + std::string(parent_store::kLongestLine - 4, 'x') + "\n"), "error a request has at most 4095 bytes\n");
  EXPECT_EQ(said_.size(), 1U);
}

TEST_F(FolderServerTest, ASilentOrSlowRequestIsOver) {
  const auto begin = Clock::now();
  EXPECT_EQ(answer("", 100ms), "");
  EXPECT_EQ(answer("GET file", 100ms), "");
  EXPECT_LT(Clock::now() - begin, 5s);
  // A byte now and then keeps a stream no longer.
  Pair pair;
  const FolderServer server(folder_, [](const std::string&) {}, 200ms);
  std::thread serving([&] {
    server.serve(pair.ends[1]);
    pair.close(1);
  });
  int sent = 0;
  for (; sent < 100 && ::send(pair.ends[0], "G", 1, MSG_NOSIGNAL) == 1; ++sent) std::this_thread::sleep_for(50ms);
  EXPECT_LT(sent, 100);
  serving.join();
}

TEST(StreamPlaces, OnePeerLeavesTheOthersTheirs) {
  StreamPlaces places(5, 2);
  std::vector<std::shared_ptr<void>> held{places.take("4"), places.take("4")};
  EXPECT_TRUE(held[0] && held[1]);
  EXPECT_FALSE(places.take("4"));
  held.push_back(places.take("5"));
  EXPECT_TRUE(held.back()) << "another peer is served while the first holds its own";
  held.push_back(places.take("5"));
  held.push_back(places.take("6"));
  EXPECT_TRUE(held.back());
  EXPECT_FALSE(places.take("7")) << "five in all";
  held.erase(held.begin());
  EXPECT_TRUE(places.take("4"));
  EXPECT_TRUE(places.take("7"));
  held.clear();
  held = {places.take("7"), places.take("7")};
  EXPECT_TRUE(held[0] && held[1]);
}

}  // namespace
