// u64 attack_execute(u64 x[18], u64 kind, u64 entry): one instruction under a vector table of our own.
//
// The kernel dies of an undefined instruction or an external abort at EL1. Here, with all interrupts masked, a
// synchronous exception notes its syndrome in x28 and goes on behind the instruction. x27 is scratch for that.
#include <linux/linkage.h>

  .text
  .balign 2048
attack_vectors:
  .rept 16
  .balign 128
  mrs x28, esr_el1
  mrs x27, elr_el1
  add x27, x27, #4
  msr elr_el1, x27
  isb
  eret
  .endr
  .balign 128

SYM_FUNC_START(attack_execute)
  stp x29, x30, [sp, #-112]!
  stp x19, x20, [sp, #16]
  stp x21, x22, [sp, #32]
  stp x23, x24, [sp, #48]
  stp x25, x26, [sp, #64]
  stp x27, x28, [sp, #80]
  mov x19, x0
  mov x22, x1
  mov x24, x2
  mrs x23, daif
  msr daifset, #15
  mrs x20, vbar_el1
  adr x21, attack_vectors
  msr vbar_el1, x21
  isb
  mov x28, xzr
  ldp x0, x1, [x19, #0]
  ldp x2, x3, [x19, #16]
  ldp x4, x5, [x19, #32]
  ldp x6, x7, [x19, #48]
  ldp x8, x9, [x19, #64]
  ldp x10, x11, [x19, #80]
  ldp x12, x13, [x19, #96]
  ldp x14, x15, [x19, #112]
  ldp x16, x17, [x19, #128]
  cbz x22, 1f
  cmp x22, #1
  b.eq 2f
  adr x30, 3f
  ret x24  // not br: a return needs no landing pad where branch targets are checked
1:
  hvc #0
  b 3f
2:
  smc #0
3:
  isb
  stp x0, x1, [x19, #0]
  stp x2, x3, [x19, #16]
  stp x4, x5, [x19, #32]
  stp x6, x7, [x19, #48]
  stp x8, x9, [x19, #64]
  stp x10, x11, [x19, #80]
  stp x12, x13, [x19, #96]
  stp x14, x15, [x19, #112]
  stp x16, x17, [x19, #128]
  msr vbar_el1, x20
  isb
  msr daif, x23
  mov x0, x28
  ldp x19, x20, [sp, #16]
  ldp x21, x22, [sp, #32]
  ldp x23, x24, [sp, #48]
  ldp x25, x26, [sp, #64]
  ldp x27, x28, [sp, #80]
  ldp x29, x30, [sp], #112
  ret
SYM_FUNC_END(attack_execute)

// One entry for each encoding: the instruction with x0, and a return.
  .macro entries name, first, count, base
  .balign 8
  .global \name
\name:
  .set number, \first
  .rept \count
  .inst \base | (number << 5)
  ret
  .set number, number + 1
  .endr
  .endm

  entries attack_register_reads, 0x8000, 0x8000, 0xd5200000
  entries attack_register_writes, 0x8000, 0x8000, 0xd5000000
  entries attack_sys, 0x4000, 0x4000, 0xd5000000
