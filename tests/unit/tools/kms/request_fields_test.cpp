// What a request's members may be, and the names of the refusals.
#include "tools/kms/request_fields.hpp"

#include <gtest/gtest.h>

#include "tools/kms/arns.hpp"
#include "tools/kms/errors.hpp"

namespace {

using kms::Fields;

template <class Function>
std::string error_of(Function function) {
  try {
    function();
  } catch (const kms::KmsError& error) {
    return std::string(kms::name_of(error.name()));
  }
  return "";
}

TEST(KmsRequestFields, RefuseWhatIsNoObject) {
  for (const char* body : {"[]", "1", "{", "{}{}", "{\"a\":1,\"a\":2}", "\"\xff\"", "nul"}) {
    EXPECT_EQ(error_of([&] { Fields{std::string_view(body)}; }), "SerializationException") << body;
  }
  EXPECT_EQ(error_of([&] { Fields{std::string(100000, '[')}; }), "SerializationException");
  EXPECT_EQ(error_of([&] { Fields{std::string_view("")}; }), "");
}

TEST(KmsRequestFields, ATextHasNoNul) {
  const Fields fields(std::string_view(R"({"Text": "a\u0000b"})"));
  EXPECT_EQ(error_of([&] { (void)fields.text("Text", 0, 9); }), "ValidationException");
  EXPECT_EQ(error_of([&] { (void)fields.required_text("Text", 0, 9); }), "ValidationException");
}

TEST(KmsRequestFields, ALengthIsOfCharacters) {
  const Fields fields(std::string_view(R"({"Text": "z\u00fcrich \ud83d\udd11", "Raw": "zürich 🔑"})"));
  for (const char* name : {"Text", "Raw"}) {
    EXPECT_EQ(fields.required_text(name, 8, 8), "zürich 🔑");
    EXPECT_EQ(error_of([&] { (void)fields.text(name, 1, 7); }), "ValidationException");
    EXPECT_EQ(error_of([&] { (void)fields.text(name, 9, 99); }), "ValidationException");
  }
}

TEST(KmsRequestFields, CheckTypesAndBounds) {
  const Fields fields(std::string_view(R"({"Text": "abc", "Blob": "AAEC", "Bad": "*", "Number": 7, "Huge": 18446744073709551615,
                                           "Null": null, "Flag": true, "Map": {"a": "b"}, "Wrong": {"a": 1}})"));
  EXPECT_EQ(fields.required_text("Text", 1, 3), "abc");
  EXPECT_EQ(error_of([&] { (void)fields.text("Text", 1, 2); }), "ValidationException");
  EXPECT_EQ(error_of([&] { (void)fields.text("Text", 4, 9); }), "ValidationException");
  EXPECT_EQ(error_of([&] { (void)fields.text("Number", 1, 2); }), "SerializationException");
  EXPECT_EQ(error_of([&] { (void)fields.required_text("Null", 1, 2); }), "ValidationException");
  EXPECT_EQ(fields.required_blob("Blob", 1, 3), (cofferdam::Bytes{0, 1, 2}));
  EXPECT_EQ(error_of([&] { (void)fields.blob("Blob", 1, 2); }), "ValidationException");
  EXPECT_EQ(error_of([&] { (void)fields.blob("Bad", 1, 2); }), "SerializationException");
  EXPECT_EQ(fields.integer("Number", 1, 7), 7);
  EXPECT_EQ(error_of([&] { (void)fields.integer("Number", 8, 9); }), "ValidationException");
  EXPECT_EQ(error_of([&] { (void)fields.integer("Huge", 1, 9); }), "ValidationException");
  EXPECT_TRUE(fields.flag("Flag"));
  EXPECT_FALSE(fields.flag("Null"));
  EXPECT_EQ(error_of([&] { (void)fields.flag("Text"); }), "SerializationException");
  EXPECT_EQ(fields.texts_by_name("Map", 100).at("a"), "b");
  EXPECT_EQ(error_of([&] { (void)fields.texts_by_name("Wrong", 100); }), "SerializationException");
  EXPECT_EQ(error_of([&] { (void)fields.texts_by_name("Map", 5); }), "ValidationException");
  EXPECT_EQ(error_of([&] { (void)fields.word("Text", {"x", "y"}); }), "ValidationException");
}

TEST(KmsRequestFields, ReadEveryFormOfKeyId) {
  const kms::Place place{"eu-central-1", "111122223333"};
  const std::string id = "1234abcd-12ab-34cd-56ef-1234567890ab";
  EXPECT_EQ(kms::parse_key_reference(place, id).name, id);
  EXPECT_EQ(kms::parse_key_reference(place, kms::key_arn(place, id)).name, id);
  EXPECT_TRUE(kms::parse_key_reference(place, "alias/x").is_alias);
  EXPECT_EQ(kms::parse_key_reference(place, kms::alias_arn(place, "alias/x")).name, "alias/x");
  const auto error = [&](const std::string& text) { return error_of([&] { (void)kms::parse_key_reference(place, text); }); };
  EXPECT_EQ(error("something"), "NotFoundException");
  EXPECT_EQ(error("1234ABCD-12ab-34cd-56ef-1234567890ab"), "NotFoundException");
  EXPECT_EQ(error(kms::key_arn({"us-east-1", "111122223333"}, id)), "NotFoundException");
  EXPECT_EQ(error(kms::key_arn({"eu-central-1", "999999999999"}, id)), "NotFoundException");
  EXPECT_EQ(error("arn:aws:s3:::x"), "InvalidArnException");
  EXPECT_EQ(error("arn:aws:kms:eu-central-1:111122223333:grant/x"), "InvalidArnException");
  EXPECT_EQ(error(""), "ValidationException");
  EXPECT_EQ(error(std::string(2049, 'a')), "ValidationException");
}

TEST(KmsRequestFields, MakesDistinctUuids) {
  const std::string id = kms::new_uuid();
  EXPECT_TRUE(kms::is_uuid(id));
  EXPECT_EQ(id[14], '4');
  EXPECT_NE(id, kms::new_uuid());
}

}  // namespace
