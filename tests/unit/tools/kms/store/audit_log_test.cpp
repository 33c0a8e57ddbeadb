// Whatever is done to the log behind the service's back is shown, by the number of the entry.
#include "tools/kms/audit_log.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>

#include "tests/unit/tools/kms/store/scenarios.hpp"
#include "tools/kms/command_audit.hpp"

namespace kms {
namespace {

using testing::Contains;
using testing::Field;
using testing::HasSubstr;
using testing::IsEmpty;

std::unique_ptr<Store> with_ten_entries(TestDatabase& database) {
  auto store = database.open();
  for (int i = 1; i <= 10; ++i) {
    AuditEvent event = an_event("Decrypt", id_of(i));
    if (i % 2 == 0) event.recipient_pcr0 = std::string(96, 'a');
    EXPECT_EQ(store->append_audit(event), static_cast<std::uint64_t>(i));
  }
  database.allow_changes_of_the_log();
  return store;
}

AuditReport verify(Store& store) { return verify_audit_log(store, store.log_key(), std::nullopt); }

// The only finding, or all of them, is about this entry.
void expect_found(Store& store, std::uint64_t sequence, AuditFault fault) {
  EXPECT_THAT(verify(store).findings, Contains(testing::AllOf(Field(&AuditFinding::sequence, sequence), Field(&AuditFinding::fault, fault))));
}

void untouched_log_holds(TestDatabase& database) {
  const auto store = with_ten_entries(database);
  const AuditReport report = verify(*store);
  EXPECT_THAT(report.findings, IsEmpty());
  EXPECT_EQ(report.entries, 10U);
  EXPECT_TRUE(report.seals_checked);
  const auto without_key = database.open_to_read();
  EXPECT_THAT(verify_audit_log(*without_key, {}, std::nullopt).findings, IsEmpty());
}

void each_field_is_bound(TestDatabase& database) {
  const auto store = with_ten_entries(database);
  for (const char* change : {"time = time + 1", "principal = 'root'", "operation = 'Encrypt'", "key = ''", "outcome = 'AccessDeniedException'",
                             "request = ''", "recipient_pcr0 = ''", "recipient_pcr0 = 'b'", "detail = 'x'"}) {
    SCOPED_TRACE(change);
    database.tamper("CREATE TABLE kept AS SELECT * FROM audit WHERE sequence = 5");
    database.tamper("UPDATE audit SET " + std::string(change) + " WHERE sequence = 5");
    const AuditReport report = verify(*store);
    ASSERT_EQ(report.findings.size(), 1U);
    EXPECT_EQ(report.findings[0].sequence, 5U);
    EXPECT_EQ(report.findings[0].fault, AuditFault::kHash);
    database.tamper("DELETE FROM audit WHERE sequence = 5");
    database.tamper("INSERT INTO audit SELECT * FROM kept");
    database.tamper("DROP TABLE kept");
    EXPECT_THAT(verify(*store).findings, IsEmpty());
  }
}

void removed_entry_is_missed(TestDatabase& database) {
  const auto store = with_ten_entries(database);
  database.tamper("DELETE FROM audit WHERE sequence = 4");
  expect_found(*store, 4, AuditFault::kMissing);
}

void removed_and_renumbered_entries_are_shown(TestDatabase& database) {
  const auto store = with_ten_entries(database);
  database.tamper("DELETE FROM audit WHERE sequence = 4");
  for (int i = 5; i <= 10; ++i) {
    database.tamper("UPDATE audit SET sequence = " + std::to_string(i - 1) + " WHERE sequence = " + std::to_string(i));
  }
  expect_found(*store, 4, AuditFault::kHash);
  expect_found(*store, 10, AuditFault::kTail);
}

void exchanged_entries_are_shown(TestDatabase& database) {
  const auto store = with_ten_entries(database);
  database.tamper("UPDATE audit SET sequence = 100 WHERE sequence = 3");
  database.tamper("UPDATE audit SET sequence = 3 WHERE sequence = 7");
  database.tamper("UPDATE audit SET sequence = 7 WHERE sequence = 100");
  expect_found(*store, 3, AuditFault::kHash);
  expect_found(*store, 7, AuditFault::kHash);
}

void inserted_entry_is_shown(TestDatabase& database) {
  const auto store = with_ten_entries(database);
  database.tamper("INSERT INTO audit SELECT 11, time, principal, operation, key, outcome, request, recipient_pcr0, detail, hash, seal "
                  "FROM audit WHERE sequence = 10");
  expect_found(*store, 11, AuditFault::kTail);
}

void cut_tail_is_shown(TestDatabase& database) {
  const auto store = with_ten_entries(database);
  database.tamper("DELETE FROM audit WHERE sequence > 8");
  expect_found(*store, 9, AuditFault::kTail);
  // And goes on being shown when the service writes on.
  EXPECT_EQ(store->append_audit(an_event("Decrypt")), 11U);
  expect_found(*store, 9, AuditFault::kMissing);
}

// Everything but the key: the head is set back to the entry that is now the last.
void cut_tail_with_a_head_to_match_is_shown(TestDatabase& database) {
  const auto store = with_ten_entries(database);
  database.tamper("DELETE FROM audit WHERE sequence > 8");
  database.tamper("UPDATE audit_head SET sequence = 8, hash = (SELECT hash FROM audit WHERE sequence = 8), "
                  "seal = (SELECT seal FROM audit WHERE sequence = 8)");
  expect_found(*store, 8, AuditFault::kHead);
  EXPECT_THROW((void)store->append_audit(an_event("Decrypt")), StoreError) << "a head that fits must not get a new seal";
  EXPECT_THROW((void)store->create_key(a_key(database, id_of(1)), an_event("CreateKey")), StoreError);
  EXPECT_EQ(store->find_key({id_of(1)}), std::nullopt);
}

// Who changes an entry and computes all hashes behind it anew has still no seals.
void recomputed_chain_is_shown(TestDatabase& database) {
  const auto store = with_ten_entries(database);
  Digest256 before{};
  for (AuditEntry& entry : store->read_audit(0, 100)) {
    if (entry.sequence >= 6) {
      entry.event.principal = "nobody";
      entry.hash = chained_hash(before, entry);
      const bool sqlite = database.url().starts_with("sqlite");
      const std::string hex = cofferdam::to_hex(entry.hash);
      const std::string literal = sqlite ? "x'" + hex + "'" : "'\\x" + hex + "'";
      database.tamper("UPDATE audit SET principal = 'nobody', hash = " + literal + " WHERE sequence = " + std::to_string(entry.sequence));
      database.tamper("UPDATE audit_head SET hash = " + literal);
    }
    before = entry.hash;
  }
  const auto without_key = database.open_to_read();
  EXPECT_THAT(verify_audit_log(*without_key, {}, std::nullopt).findings, IsEmpty()) << "why the seals are there";
  const AuditReport report = verify(*store);
  ASSERT_EQ(report.findings.size(), 6U);
  EXPECT_EQ(report.findings[0].sequence, 6U);
  EXPECT_EQ(report.findings[0].fault, AuditFault::kSeal);
  expect_found(*store, 10, AuditFault::kHead);
}

void kept_head_shows_an_older_store(TestDatabase& database) {
  const auto store = with_ten_entries(database);
  const AuditHead head = store->audit_head();
  EXPECT_THAT(verify_audit_log(*store, store->log_key(), ExpectedHead{head.sequence, head.hash}).findings, IsEmpty());
  (void)store->append_audit(an_event("Decrypt"));
  EXPECT_THAT(verify_audit_log(*store, store->log_key(), ExpectedHead{head.sequence, head.hash}).findings, IsEmpty());
  const auto findings = verify_audit_log(*store, store->log_key(), ExpectedHead{12, head.hash}).findings;
  EXPECT_THAT(findings, Contains(Field(&AuditFinding::fault, AuditFault::kExpected)));
}

void text_from_outside_is_harmless(TestDatabase& database) {
  const auto store = database.open();
  AuditEvent event = an_event("Decrypt");
  event.principal = std::string("evil\n\0\x1b[2J\xff", 11) + std::string(5000, 'x');
  (void)store->append_audit(event);
  const std::string kept = store->read_audit(0, 1).at(0).event.principal;
  EXPECT_EQ(kept.substr(0, 30), "evil\\x0a\\x00\\x1b[2J\\xffxxxxxxx");
  EXPECT_EQ(kept.size(), 512U);
  EXPECT_THAT(verify(*store).findings, IsEmpty());
}

void verification_is_printed(TestDatabase& database) {
  const auto store = with_ten_entries(database);
  std::ostringstream good, bad, lines;
  EXPECT_EQ(print_audit_verification(*store, std::nullopt, true, good), 0);
  EXPECT_THAT(good.str(), HasSubstr(R"("holds": true)"));
  const std::string head = "10:" + cofferdam::to_hex(store->audit_head().hash);
  EXPECT_THAT(good.str(), HasSubstr(head));
  ASSERT_TRUE(parse_expected_head(head).has_value());
  EXPECT_EQ(parse_expected_head(head)->hash, store->audit_head().hash);
  for (const char* wrong : {"", ":", "10", "10:", "10:abcd", "x:00", "-1:00"}) EXPECT_FALSE(parse_expected_head(wrong)) << wrong;
  database.tamper("DELETE FROM audit WHERE sequence = 4");
  EXPECT_EQ(print_audit_verification(*store, std::nullopt, true, bad), 1);
  EXPECT_THAT(bad.str(), HasSubstr(R"("sequence": 4)"));
  // What somebody put into the log by hand can't write to the terminal.
  database.tamper("UPDATE audit SET principal = 'a' || " + std::string(database.url().starts_with("sqlite") ? "char(27)" : "chr(27)") +
                  " || 'b' WHERE sequence = 5");
  EXPECT_EQ(print_audit_log(*store, {.after = 4, .limit = 2}, lines), 0);
  const std::string text = lines.str();
  EXPECT_THAT(text, HasSubstr("principal=a\\x1bb"));
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 2);
}

constexpr Scenario kAuditScenarios[] = {
    {"VerificationIsPrinted", verification_is_printed},
    {"UntouchedLogHolds", untouched_log_holds},
    {"EachFieldIsBound", each_field_is_bound},
    {"RemovedEntryIsMissed", removed_entry_is_missed},
    {"RemovedAndRenumberedEntriesAreShown", removed_and_renumbered_entries_are_shown},
    {"ExchangedEntriesAreShown", exchanged_entries_are_shown},
    {"InsertedEntryIsShown", inserted_entry_is_shown},
    {"CutTailIsShown", cut_tail_is_shown},
    {"CutTailWithAHeadToMatchIsShown", cut_tail_with_a_head_to_match_is_shown},
    {"RecomputedChainIsShown", recomputed_chain_is_shown},
    {"KeptHeadShowsAnOlderStore", kept_head_shows_an_older_store},
    {"TextFromOutsideIsHarmless", text_from_outside_is_harmless},
};

}  // namespace

std::span<const Scenario> audit_scenarios() { return kAuditScenarios; }

}  // namespace kms
