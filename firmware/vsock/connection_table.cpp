#include "firmware/vsock/connection_table.hpp"

#include <bit>

namespace vsock {

std::size_t ConnectionTable::bucket_of(const Connection& connection, const Secret& secret) {
  // Multilinear hashing, the upper bits of the sum (Carter and Wegman 1979; Lemire and Kaser 2014, "Strongly universal string hashing is
  // fast"): over the secrets, two connections meet as seldom as by chance. The numbers serve a table that was told no secret.
  const std::uint64_t sum = (secret.of_enclave_port ^ 0x9E37'79B9'7F4A'7C15U) * connection.enclave_port +
                            (secret.of_parent_port ^ 0xC2B2'AE3D'27D4'EB4FU) * connection.parent_port;
  return static_cast<std::size_t>(sum >> (64 - std::countr_zero(kBuckets)));
}

ConnectionTable::Reference& ConnectionTable::due_list(const Entry& entry, Side side) {
  return due_[side == Side::kParent ? kEnded : entry.owner];
}

std::optional<ConnectionTable::Index> ConnectionTable::find(Owner owner, const Connection& connection) const {
  Reference at = buckets_[owner][bucket_of(connection)];
  while (at != 0 && entries_[at - 1U].connection != connection) at = entries_[at - 1U].next;
  return index_of(at);
}

base::Result<ConnectionTable::Index> ConnectionTable::insert(Owner owner, const Connection& connection) {
  if (counts_[owner] == kConnectionsPerEnclave) return base::Error::kTooLarge;
  if (free_ == 0 && touched_ == kMaxConnections) {
    // Slots alone can't fill the table, so an ended enclave has entries, all of them due to the parent.
    for (Index index = 0; index < kMaxConnections; ++index) {
      if (entries_[index].owner == kEnded) {
        remove(index);
        break;
      }
    }
  }
  Index index = touched_;
  if (free_ != 0) {
    index = static_cast<Index>(free_ - 1);
    free_ = entries_[index].next;
  } else {
    ++touched_;
  }
  entries_[index] = Entry{};
  entries_[index].connection = connection;
  entries_[index].owner = owner;
  entries_[index].used = true;
  entries_[index].open = true;
  link_bucket(index);
  ++counts_[owner];
  return index;
}

void ConnectionTable::remove(Index index) {
  for (const Side side : {Side::kParent, Side::kEnclave}) unlink_due(index, side);
  unlink_bucket(index);
  Entry& entry = entries_[index];
  --counts_[entry.owner];
  entry = Entry{};
  entry.next = free_;
  free_ = static_cast<Reference>(index + 1);
}

void ConnectionTable::close(Index index, bool tell_parent, bool tell_enclave) {
  entries_[index].open = false;
  if (tell_parent) link_due(index, Side::kParent);
  if (tell_enclave) link_due(index, Side::kEnclave);
  if (!tell_parent && !tell_enclave) remove(index);
}

void ConnectionTable::told(Index index, Side side) {
  unlink_due(index, side);
  const Entry& entry = entries_[index];
  if (!entry.open && !entry.due[0] && !entry.due[1]) remove(index);
}

void ConnectionTable::parent_gone() {
  for (Index index = 0; index < touched_; ++index) {
    if (!entries_[index].used) continue;
    if (entries_[index].open) {
      close(index, false, true);
    } else {
      told(index, Side::kParent);
    }
  }
}

void ConnectionTable::enclave_gone(Owner owner) {
  for (Index index = 0; index < touched_; ++index) {
    if (!entries_[index].used || entries_[index].owner != owner) continue;
    if (entries_[index].open) {
      close(index, true, false);
    } else {
      told(index, Side::kEnclave);
    }
  }
}

void ConnectionTable::enclave_ended(Owner owner) {
  enclave_gone(owner);
  for (Index index = 0; index < touched_; ++index) {
    if (entries_[index].used && entries_[index].owner == owner) move_to_ended(index);
  }
}

void ConnectionTable::move_to_ended(Index index) {
  unlink_bucket(index);
  Entry& entry = entries_[index];
  --counts_[entry.owner];
  entry.owner = kEnded;
  ++counts_[kEnded];
  link_bucket(index);
}

void ConnectionTable::link_due(Index index, Side side) {
  Entry& entry = entries_[index];
  const std::size_t number = number_of(side);
  if (entry.due[number]) return;
  Reference& list = due_list(entry, side);
  const auto reference = static_cast<Reference>(index + 1);
  entry.due[number] = true;
  entry.due_previous[number] = 0;
  entry.due_next[number] = list;
  if (list != 0) entries_[list - 1U].due_previous[number] = reference;
  list = reference;
}

void ConnectionTable::unlink_due(Index index, Side side) {
  Entry& entry = entries_[index];
  const std::size_t number = number_of(side);
  if (!entry.due[number]) return;
  entry.due[number] = false;
  const Reference next = entry.due_next[number];
  const Reference previous = entry.due_previous[number];
  if (next != 0) entries_[next - 1U].due_previous[number] = previous;
  if (previous != 0) {
    entries_[previous - 1U].due_next[number] = next;
  } else {
    due_list(entry, side) = next;
  }
}

void ConnectionTable::link_bucket(Index index) {
  Entry& entry = entries_[index];
  Reference& bucket = buckets_[entry.owner][bucket_of(entry.connection)];
  const auto reference = static_cast<Reference>(index + 1);
  entry.next = bucket;
  entry.previous = 0;
  if (bucket != 0) entries_[bucket - 1U].previous = reference;
  bucket = reference;
}

// By the references at both sides: whoever chooses ports that collide makes no chain that is walked for each entry.
void ConnectionTable::unlink_bucket(Index index) {
  const Entry& entry = entries_[index];
  if (entry.next != 0) entries_[entry.next - 1U].previous = entry.previous;
  if (entry.previous != 0) {
    entries_[entry.previous - 1U].next = entry.next;
  } else {
    buckets_[entry.owner][bucket_of(entry.connection)] = entry.next;
  }
}

}  // namespace vsock
