// What a guest finds in the identification registers: what it may use, and nothing of what traps.
#include "hal/registers/guest_identification.hpp"

#include <gtest/gtest.h>

namespace hal::registers::guest_identification {
namespace {

constexpr std::uint64_t kAll = ~std::uint64_t{0};

std::uint64_t field(std::uint64_t word, unsigned position) { return word >> position & 0xF; }

struct Place {
  std::uint32_t encoding;
  unsigned position;
  const char* name;
};

TEST(GuestIdentification, WhatTrapsIsAbsentWhateverTheCoreSays) {
  constexpr Place kHidden[] = {
      {kPfr0, 8, "EL2"},      {kPfr0, 12, "EL3"},       {kPfr0, 28, "RAS"},     {kPfr0, 36, "secure EL2"}, {kPfr0, 40, "MPAM"},
      {kPfr0, 44, "AMU"},     {kPfr0, 52, "RME"},       {kPfr1, 8, "MTE"},      {kPfr1, 12, "RAS_frac"},   {kPfr1, 16, "MPAM_frac"},
      {kPfr1, 24, "SME"},     {kPfr1, 28, "RNDR_trap"}, {kPfr1, 32, "CSV2_frac"}, {kPfr1, 36, "NMI"},      {kPfr1, 40, "MTE_frac"},
      {kPfr1, 44, "GCS"},     {kPfr1, 48, "THE"},       {kPfr1, 60, "PFAR"},    {kDfr0, 4, "trace"},       {kDfr0, 8, "PMU"},
      {kDfr0, 32, "SPE"},     {kDfr0, 44, "trace buffer"}, {kDfr0, 52, "BRBE"}, {kIsar1, 56, "XS"},        {kIsar1, 60, "LS64"},
      {kMmfr0, 32, "TGran16_2"}, {kMmfr0, 56, "FGT"},   {kMmfr0, 60, "ECV"},    {kMmfr1, 8, "VHE"},        {kMmfr1, 16, "LOR"},
      {kMmfr1, 36, "TWED"},   {kMmfr1, 40, "HCX"},      {kMmfr2, 16, "VARange"}, {kMmfr2, 24, "NV"},       {kMmfr2, 40, "FWB"},
      {kMmfr2, 56, "EVT"}};
  for (const Place& place : kHidden) EXPECT_EQ(field(shown(place.encoding, kAll, true), place.position), 0U) << place.name;
}

TEST(GuestIdentification, RegistersThatNobodyHasThoughtOfAreEmpty) {
  for (std::uint32_t crm = 0; crm < 8; ++crm) {
    for (std::uint32_t op2 = 0; op2 < 8; ++op2) {
      const std::uint32_t encoding = esr_el2::system_register(3, 0, 0, crm, op2);
      switch (encoding) {
        case kPfr0: case kPfr1: case kZfr0: case kDfr0: case kIsar0: case kIsar1: case kIsar2: case kMmfr0: case kMmfr1: case kMmfr2: break;
        default: EXPECT_EQ(shown(encoding, kAll, true), 0U) << crm << ' ' << op2;
      }
    }
  }
  EXPECT_EQ(shown(esr_el2::system_register(3, 0, 0, 4, 5), kAll, true), 0U) << "ID_AA64SMFR0_EL1";
}

TEST(GuestIdentification, PointerAuthenticationIsAsTheCoreHasIt) {
  constexpr std::uint64_t kImplementationDefined = 0x5ULL << 8 | 1ULL << 28;
  EXPECT_EQ(shown(kIsar1, kImplementationDefined, false), kImplementationDefined) << "API, GPI";
  constexpr std::uint64_t kArchitected = 0x5ULL << 4 | 1ULL << 24;
  EXPECT_EQ(shown(kIsar1, kArchitected, false), kArchitected) << "APA, GPA";
  constexpr std::uint64_t kThird = 1ULL << 8 | 0x5ULL << 12;
  EXPECT_EQ(shown(kIsar2, kThird | 0xF | 0xFULL << 16, false), kThird) << "GPA3, APA3, and nothing else";
  EXPECT_EQ(kHasPointerAuthentication1 & shown(kIsar1, kImplementationDefined, false), 0x500U);
}

TEST(GuestIdentification, VectorsAreShownWhereTheyAreSwitched) {
  EXPECT_EQ(Sve::get(shown(kPfr0, Sve::put(1), true)), 1U);
  EXPECT_EQ(Sve::get(shown(kPfr0, Sve::put(1), false)), 0U);
  constexpr std::uint64_t kVersion2 = 1 | 2 << 4 | 1 << 16;
  EXPECT_EQ(shown(kZfr0, kVersion2, true), kVersion2);
  EXPECT_EQ(shown(kZfr0, kAll, false), 0U);
}

TEST(GuestIdentification, LevelsAndSizesAreTheGuests) {
  EXPECT_EQ(shown(kPfr0, 0x2222, false), 0x11U) << "AArch64 at EL0 and EL1 only";
  EXPECT_EQ(field(shown(kPfr0, 3ULL << 56, false), 56), 1U) << "CSV2 without its registers";
  EXPECT_EQ(field(shown(kMmfr0, 6, false), 0), 2U) << "40 bits of address at most";
  EXPECT_EQ(field(shown(kMmfr0, 1, false), 0), 1U);
  EXPECT_EQ(field(shown(kMmfr1, 3, false), 0), 2U) << "HAFDBS without FEAT_HAFT";
  EXPECT_EQ(field(shown(kMmfr1, 1, false), 0), 1U);
  EXPECT_EQ(field(shown(kDfr0, 0xB, false), 0), 0xAU) << "DebugVer without MDSELR_EL1";
  EXPECT_EQ(field(shown(kDfr0, 6, false), 0), 6U);
  EXPECT_EQ(field(shown(kMmfr2, 1ULL << 20, false), 20), 1U) << "CCSIDR_EL1 is read in the core's format";
  EXPECT_EQ(field(shown(kPfr0, 0xFULL << 16, false), 16), 0xFU) << "a core without FP says so with ones";
}

}  // namespace
}  // namespace hal::registers::guest_identification
