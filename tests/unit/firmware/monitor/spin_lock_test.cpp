#include "firmware/monitor/spin_lock.hpp"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace {

TEST(SpinLock, HoldsOneAtATime) {
  monitor::SpinLock lock;
  int count = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&, ahead = i % 2 == 0] {
      for (int turn = 0; turn < 5'000; ++turn) {
        ahead ? lock.lock_first() : lock.lock();
        ++count;
        lock.unlock();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(count, 20'000);
  EXPECT_FALSE(lock.awaited());
}

TEST(SpinLock, WhoHoldsUpOthersGoesBeforeAllThatWait) {
  for (int round = 0; round < 20; ++round) {
    monitor::SpinLock lock;
    std::vector<char> order;  // guarded by the lock
    lock.lock();
    std::vector<std::thread> threads;
    const auto guest = [&] {
      lock.lock();
      order.push_back('g');
      lock.unlock();
    };
    threads.emplace_back(guest);
    threads.emplace_back([&] {
      lock.lock_first();
      order.push_back('f');
      lock.unlock();
    });
    while (!lock.awaited()) std::this_thread::yield();
    for (int i = 0; i < 3; ++i) threads.emplace_back(guest);
    std::this_thread::yield();
    lock.unlock();
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(order.front(), 'f') << round;
    EXPECT_EQ(order.size(), 5U);
  }
}

}  // namespace
