#include "tests/unit/tools/kms/store/work_that_is_cut_off.hpp"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <stdexcept>

#include "tools/kms/audit_log.hpp"

namespace kms {
namespace {

const std::string kNewPolicy = R"({"Version":"2012-10-17","Statement":[],"Id":"new"})";

void must(bool right) {
  if (!right) throw std::logic_error("the work was refused");
}

}  // namespace

void prepare_for_cut(TestDatabase& database) {
  const auto store = database.open();
  for (int i = 1; i <= 3; ++i) {
    must(store->create_key(a_key(database, id_of(i), static_cast<std::uint8_t>(i)), an_event("CreateKey", id_of(i))) == Outcome::kDone);
  }
}

void work(TestDatabase& database, const std::function<void(int)>& answered) {
  const auto store = database.open();
  const auto create = [&](int i) {
    return store->create_key(a_key(database, id_of(i), static_cast<std::uint8_t>(i)), an_event("CreateKey", id_of(i))) == Outcome::kDone;
  };
  must(create(10));
  answered(1);
  must(store->create_alias({kAccount, "alias/ten", {id_of(10)}, database.now, database.now}, {}, an_event("CreateAlias", "alias/ten")) ==
       Outcome::kDone);
  answered(2);
  must(store->change_key({id_of(1)}, kEnabledOnly, {.policy = kNewPolicy}, an_event("PutKeyPolicy", id_of(1))).outcome == Outcome::kDone);
  answered(3);
  must(store->change_key({id_of(2)}, kEnabledOnly, {.state = KeyState::kPendingDeletion, .deletion = database.now},
                         an_event("ScheduleKeyDeletion", id_of(2))).outcome == Outcome::kDone);
  answered(4);
  must(store->delete_due_keys(database.now, 10).size() == 1);
  answered(5);
  KeyWrapping wrapping(database.root_keys, "root-2");
  (void)rewrap(*store, wrapping, "operator", "rotation");
  answered(6);
  (void)store->append_audit(an_event("Decrypt", id_of(1)));
  answered(7);
  must(create(11));
  answered(8);
}

std::string what_is_wrong(TestDatabase& database, int answered) {
  std::string wrong;
  const auto hold = [&](bool right, const std::string& what) {
    if (!right) wrong += what + "; ";
  };
  try {
    const auto store = database.open();
    for (const AuditFinding& finding : verify_audit_log(*store, store->log_key(), std::nullopt).findings) hold(false, finding.what);
    const auto log = store->read_audit(0, 1000);
    const auto count = [&](const std::string& operation, const std::string& key) {
      std::size_t found = 0;
      for (const AuditEntry& entry : log) found += entry.event.operation == operation && entry.event.key == key ? 1 : 0;
      return found;
    };
    KeyWrapping wrapping(database.root_keys, "root-1");
    for (const int i : {1, 2, 3, 10, 11}) {
      const std::string id = id_of(i);
      const auto key = store->find_key({id});
      const bool deleted = count("DeleteKey", id) == 1;
      hold(key.has_value() == (count("CreateKey", id) == 1 && !deleted), "key " + id + " and the log differ");
      if (!key) continue;
      hold(key->material.size() == 1, "key " + id + " has no material");
      for (const KeyMaterial& material : key->material) {
        const auto opened = wrapping.unwrap_material(key->id, material);
        hold(opened.size() == 32 && opened.view()[0] == i, "key " + id + " has other material");
        hold((material.wrapped.root_key == "root-2") == (count("RewrapKey", id) == 1), "the root key of " + id + " and the log differ");
        hold(answered < 6 || i == 11 || material.wrapped.root_key == "root-2", "the rotation of " + id + " is lost");
      }
      const bool new_policy = key->policy == kNewPolicy;
      hold(new_policy == (count("PutKeyPolicy", id) == 1), "the policy of " + id + " and the log differ");
      hold((key->state == KeyState::kPendingDeletion) == (count("ScheduleKeyDeletion", id) == 1), "the state of " + id + " and the log differ");
    }
    const auto alias = store->find_key_by_alias(kAccount, "alias/ten");
    hold(alias.has_value() == (count("CreateAlias", "alias/ten") == 1), "the alias and the log differ");
    // What was answered is there.
    hold(store->find_key({id_of(1)}) && store->find_key({id_of(3)}), "a key is lost");
    hold(answered >= 4 || store->find_key({id_of(2)}), "key 2 is lost");
    hold(answered < 1 || store->find_key({id_of(10)}), "key 10 is lost");
    hold(answered < 2 || alias, "the alias is lost");
    hold(answered < 3 || count("PutKeyPolicy", id_of(1)) == 1, "the policy is lost");
    hold(answered < 4 || count("ScheduleKeyDeletion", id_of(2)) == 1, "the schedule is lost");
    hold(answered < 5 || !store->find_key({id_of(2)}), "the deletion is lost");
    hold(answered < 7 || count("Decrypt", id_of(1)) == 1, "an entry of the log is lost");
    hold(answered < 8 || store->find_key({id_of(11)}), "key 11 is lost");
    // And the work goes on: what was cut off is done by asking again.
    KeyWrapping second(database.root_keys, "root-2");
    (void)rewrap(*store, second, "operator", "rotation again");
    hold(store->wrapped_by_others("root-2", 10).empty(), "the rotation can't be taken up again");
    hold(store->create_key(a_key(database, id_of(20)), an_event("CreateKey", id_of(20))) == Outcome::kDone, "nothing can be made any more");
  } catch (const std::exception& error) {
    wrong += error.what();
  }
  return wrong;
}

Ended run_in_process(const std::function<void(const std::function<void(int)>&)>& body) {
  int ends[2];
  if (::pipe(ends) != 0) throw std::runtime_error("no pipe");
  const pid_t child = ::fork();
  if (child == 0) {
    ::close(ends[0]);
    try {
      body([&](int number) {
        const char byte = static_cast<char>(number);
        if (::write(ends[1], &byte, 1) != 1) ::_exit(3);
      });
    } catch (const StoreError&) {
      ::_exit(1);
    } catch (...) {
      ::_exit(2);
    }
    ::_exit(0);
  }
  ::close(ends[1]);
  Ended ended;
  char byte = 0;
  while (::read(ends[0], &byte, 1) == 1) ended.answered = byte;
  ::close(ends[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  ended.killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
  EXPECT_TRUE(ended.killed || WEXITSTATUS(status) <= 1) << "neither done nor a StoreError";
  return ended;
}

}  // namespace kms
