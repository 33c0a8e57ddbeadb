// The only file of this program that knows libcbor.
#include <cbor.h>

#include <cstdlib>
#include <memory>
#include <new>
#include <utility>

#include "firmware/crypto/sha384.hpp"
#include "tools/reference_values/reference_values.hpp"

namespace reference_values {
namespace {

// Tags and keys of the CDDL.
constexpr std::uint64_t kTagCorim = 501;
constexpr std::uint64_t kTagComid = 506;
constexpr std::uint64_t kTagSvn = 552;
constexpr std::uint64_t kCorimId = 0;
constexpr std::uint64_t kCorimTags = 1;
constexpr std::uint64_t kComidTagIdentity = 1;
constexpr std::uint64_t kComidTriples = 4;
constexpr std::uint64_t kTagId = 0;
constexpr std::uint64_t kReferenceTriples = 0;
constexpr std::uint64_t kEnvironmentClass = 0;
constexpr std::uint64_t kClassVendor = 1;
constexpr std::uint64_t kClassModel = 2;
constexpr std::uint64_t kMeasurementKey = 0;
constexpr std::uint64_t kMeasurementValue = 1;
constexpr std::uint64_t kValueSvn = 1;
constexpr std::uint64_t kValueDigests = 2;
constexpr std::uint64_t kValueName = 11;
constexpr std::uint64_t kSha384 = 7;  // IANA Named Information Hash Algorithm Registry

struct Release {
  void operator()(cbor_item_t* item) const { cbor_decref(&item); }
};
using Item = std::unique_ptr<cbor_item_t, Release>;

Item owned(cbor_item_t* item) {
  if (item == nullptr) throw std::bad_alloc();
  return Item(item);
}

Item number(std::uint64_t value) {
  if (value < 0x100) return owned(cbor_build_uint8(static_cast<std::uint8_t>(value)));
  if (value < 0x1'0000) return owned(cbor_build_uint16(static_cast<std::uint16_t>(value)));
  if (value < 0x1'0000'0000) return owned(cbor_build_uint32(static_cast<std::uint32_t>(value)));
  return owned(cbor_build_uint64(value));
}
Item text(const std::string& value) { return owned(cbor_build_stringn(value.data(), value.size())); }
Item bytes(provision::ByteView value) { return owned(cbor_build_bytestring(value.data(), value.size())); }
Item tagged(std::uint64_t tag, Item content) {
  Item item = owned(cbor_new_tag(tag));
  cbor_tag_set_item(item.get(), content.get());  // takes a reference of its own
  return item;
}

template <typename... Items>
Item array(Items... items) {
  Item whole = owned(cbor_new_definite_array(sizeof...(items)));
  if (!(cbor_array_push(whole.get(), items.get()) && ...)) throw std::bad_alloc();
  return whole;
}

// Keys are added in ascending order by every caller: what deterministic encoding asks for.
class Map {
 public:
  explicit Map(std::size_t entries) : map_(owned(cbor_new_definite_map(entries))) {}
  Map&& add(std::uint64_t key, Item value) && {
    const Item key_item = number(key);
    if (!cbor_map_add(map_.get(), {key_item.get(), value.get()})) throw std::bad_alloc();
    return std::move(*this);
  }
  operator Item() && { return std::move(map_); }  // NOLINT: the end of the chain

 private:
  Item map_;
};

provision::Bytes serialized(const Item& item) {
  unsigned char* buffer = nullptr;
  std::size_t capacity = 0;
  const std::size_t size = cbor_serialize_alloc(item.get(), &buffer, &capacity);
  if (size == 0) throw std::bad_alloc();
  provision::Bytes result(buffer, buffer + size);
  std::free(buffer);
  return result;
}

Item digests(const measure::Digest& digest) { return array(array(number(kSha384), bytes(digest))); }

Item values_of(const ReferenceValue& value, std::uint32_t security_version) {
  if (value.pcr == static_cast<std::uint32_t>(measure::PlatformPcr::kMonitor)) {
    return Map(3)
        .add(kValueSvn, tagged(kTagSvn, number(security_version)))
        .add(kValueDigests, digests(value.value))
        .add(kValueName, text(value.name));
  }
  return Map(2).add(kValueDigests, digests(value.value)).add(kValueName, text(value.name));
}

Item measurement(const ReferenceValue& value, std::uint32_t security_version) {
  return Map(2).add(kMeasurementKey, number(value.pcr)).add(kMeasurementValue, values_of(value, security_version));
}

// The same values have the same name, so that a verifier can tell two manifests apart.
std::string name_of(const ReferenceValues& values) {
  crypto::Sha384 hash;
  for (const ReferenceValue& value : values.platform) hash.update(value.value);
  return "cofferdam-platform-" + provision::to_hex(hash.finish()).substr(0, 32);
}

}  // namespace

provision::Bytes to_corim(const ReferenceValues& values) {
  const std::string name = name_of(values);
  Item environment = Map(1).add(
      kEnvironmentClass, Map(2).add(kClassVendor, text("Cofferdam")).add(kClassModel, text("platform")));
  Item measurements = array(measurement(values.platform[0], values.security_version),
                            measurement(values.platform[1], values.security_version),
                            measurement(values.platform[2], values.security_version));
  Item triples = Map(1).add(kReferenceTriples, array(array(std::move(environment), std::move(measurements))));
  const Item comid = Map(2)
                         .add(kComidTagIdentity, Map(1).add(kTagId, text(name)))
                         .add(kComidTriples, std::move(triples));
  return serialized(tagged(
      kTagCorim,
      Map(2).add(kCorimId, text(name)).add(kCorimTags, array(tagged(kTagComid, bytes(serialized(comid)))))));
}

}  // namespace reference_values
