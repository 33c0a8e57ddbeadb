// First bytes of a guest that knows only Arm's architecture and Linux's boot protocol for arm64: the Image header
// (Linux, Documentation/arch/arm64/booting.rst), then EL1 with the MMU off and x0 = the device tree's address.

  .section .text.start, "ax"
  .global _start
_start:
  b first
  .word 0
  .quad 0                            // from a 2 MiB boundary on
  .quad __bss_end - _start           // all that is used from there, .bss too: nothing else is laid there
  .quad 0b1010                       // little-endian, 4 KiB pages, anywhere
  .quad 0, 0, 0
  .ascii "ARM\x64"
  .word 0

first:
  adr x9, entry_record               // what the core was entered with, before anything is changed
  stp x0, x1, [x9]
  stp x2, x3, [x9, #16]
  mrs x10, CurrentEL
  mrs x11, daif
  stp x10, x11, [x9, #32]
  mrs x10, SPSel
  mrs x11, sctlr_el1
  stp x10, x11, [x9, #48]
  adrp x0, first_stack_end
  add x0, x0, :lo12:first_stack_end
  mov sp, x0
  adrp x0, __bss_start
  add x0, x0, :lo12:__bss_start
  adrp x1, __bss_end
  add x1, x1, :lo12:__bss_end
1:cmp x0, x1
  b.hs 2f
  stp xzr, xzr, [x0], #16
  b 1b
2:adrp x0, vectors
  add x0, x0, :lo12:vectors
  msr vbar_el1, x0
  isb
  adr x0, entry_record
  mov x29, xzr
  bl guest_main
3:wfi
  b 3b

  .balign 16
  .global entry_record
entry_record:
  .quad 0, 0, 0, 0, 0, 0, 0, 0

  // CPU_ON's entry. x0 = the context that was asked for: the address of a Core (machine.hpp), whose first word is the
  // stack and whose second is what runs there.
  .global secondary_start
secondary_start:
  mov x19, x0
  ldr x1, [x19]
  mov sp, x1
  adrp x1, vectors
  add x1, x1, :lo12:vectors
  msr vbar_el1, x1
  isb
  bl mmu_on
  mov x0, x19
  ldr x1, [x19, #8]
  mov x29, xzr
  blr x1
4:wfi
  b 4b

  .global mmu_on
mmu_on:
  ldr x1, =0x04ff                    // MAIR: 0 normal write-back, 1 device nGnRE
  msr mair_el1, x1
  ldr x1, =0x280803519               // TCR: T0SZ 25, walks WB inner shareable, 4 KiB, no TTBR1, 40-bit output
  msr tcr_el1, x1
  adrp x1, level1
  add x1, x1, :lo12:level1
  msr ttbr0_el1, x1
  tlbi vmalle1
  ic iallu
  dsb sy
  isb
  mrs x1, sctlr_el1
  mov x2, #0x1005                    // I, C, M
  orr x1, x1, x2
  msr sctlr_el1, x1
  isb
  ret

  .global mmu_off
mmu_off:
  mrs x1, sctlr_el1
  mov x2, #0x1005
  bic x1, x1, x2
  msr sctlr_el1, x1
  isb
  ret

  // Registers into a Frame (machine.hpp) on the stack, exception_taken(kind, frame), and back.
  .macro entry kind
  .balign 0x80
  sub sp, sp, #288
  stp x0, x1, [sp]
  mov x0, #\kind
  b save
  .endm
  .balign 0x800
vectors:
  .irp from, 0, 1, 2, 3
  .irp what, 0, 1, 2, 3
  entry (\from * 4 + \what)
  .endr
  .endr
  .balign 0x80
save:
  stp x2, x3, [sp, #16]
  stp x4, x5, [sp, #32]
  stp x6, x7, [sp, #48]
  stp x8, x9, [sp, #64]
  stp x10, x11, [sp, #80]
  stp x12, x13, [sp, #96]
  stp x14, x15, [sp, #112]
  stp x16, x17, [sp, #128]
  stp x18, x19, [sp, #144]
  stp x20, x21, [sp, #160]
  stp x22, x23, [sp, #176]
  stp x24, x25, [sp, #192]
  stp x26, x27, [sp, #208]
  stp x28, x29, [sp, #224]
  mrs x1, elr_el1
  stp x30, x1, [sp, #240]
  mrs x1, spsr_el1
  mrs x2, esr_el1
  stp x1, x2, [sp, #256]
  mrs x1, far_el1
  str x1, [sp, #272]
  mov x1, sp
  bl exception_taken
  ldp x30, x1, [sp, #240]
  msr elr_el1, x1
  ldr x1, [sp, #256]
  msr spsr_el1, x1
  ldp x28, x29, [sp, #224]
  ldp x26, x27, [sp, #208]
  ldp x24, x25, [sp, #192]
  ldp x22, x23, [sp, #176]
  ldp x20, x21, [sp, #160]
  ldp x18, x19, [sp, #144]
  ldp x16, x17, [sp, #128]
  ldp x14, x15, [sp, #112]
  ldp x12, x13, [sp, #96]
  ldp x10, x11, [sp, #80]
  ldp x8, x9, [sp, #64]
  ldp x6, x7, [sp, #48]
  ldp x4, x5, [sp, #32]
  ldp x2, x3, [sp, #16]
  ldp x0, x1, [sp]
  add sp, sp, #288
  eret

  // u64 call_keeping_registers(u64 x[4], bool smc): a call with x4 to x17, x18 to x28 and v0 to v31 full of marks.
  // Answers how many of them came back as something else; x[] gets x0 to x3.
  .global call_keeping_registers
call_keeping_registers:
  stp x29, x30, [sp, #-112]!
  stp x19, x20, [sp, #16]
  stp x21, x22, [sp, #32]
  stp x23, x24, [sp, #48]
  stp x25, x26, [sp, #64]
  stp x27, x28, [sp, #80]
  stp x0, x1, [sp, #96]
  .irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
  movi v\n\().16b, #(\n + 65)
  .endr
  .irp n, 4,5,6,7,8,9,10,11,12,13,14,15,16,17,19,20,21,22,23,24,25,26,27,28
  mov x\n, #(0x5a00 + \n)
  .endr
  mov x30, x1
  mov x29, x0
  ldp x2, x3, [x29, #16]
  ldp x0, x1, [x29]
  cbnz x30, 1f
  hvc #0
  b 2f
1:smc #0
2:stp x0, x1, [x29]
  stp x2, x3, [x29, #16]
  mov x0, xzr
  .irp n, 4,5,6,7,8,9,10,11,12,13,14,15,16,17,19,20,21,22,23,24,25,26,27,28
  mov x1, #(0x5a00 + \n)
  cmp x\n, x1
  cinc x0, x0, ne
  .endr
  .irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
  mov x1, v\n\().d[0]
  mov x2, v\n\().d[1]
  ldr x3, =(0x0101010101010101 * (\n + 65))
  cmp x1, x3
  ccmp x2, x3, #0, eq
  cinc x0, x0, ne
  .endr
  ldp x19, x20, [sp, #16]
  ldp x21, x22, [sp, #32]
  ldp x23, x24, [sp, #48]
  ldp x25, x26, [sp, #64]
  ldp x27, x28, [sp, #80]
  ldp x29, x30, [sp], #112
  ret
  .ltorg

  // void run_at_el0(u64 stack): a supervisor call with x0 = 0x51 from EL0. exception_taken() leads back to
  // back_from_el0, at EL1.
  .global run_at_el0
run_at_el0:
  stp x29, x30, [sp, #-16]!
  msr sp_el0, x0
  adr x1, program_of_el0
  msr elr_el1, x1
  mov x1, #0x3c0                     // EL0t, everything masked
  msr spsr_el1, x1
  eret
  .global back_from_el0
back_from_el0:
  ldp x29, x30, [sp], #16
  ret
  .balign 4096
program_of_el0:
  mov x0, #0x51
  svc #7
  b .

  // u64 executed_here(): what a breakpoint and a single step are set on. Answers 3.
  .global executed_here
executed_here:
  mov x0, #1
  .global breakpoint_place
breakpoint_place:
  add x0, x0, #1
  add x0, x0, #1
  ret

  .data
  .balign 4096
  .global level1
level1:                              // 1 GiB blocks one to one
  .quad 0x0060000000000405           // devices, PCI memory: nGnRE, never executed
  .quad 0x0000000040000701           // RAM: normal write-back, inner shareable
  .quad 0x0000000080000701
  .skip 8 * (256 - 3)
  .quad 0x0060004000000405           // PCI configuration space
  .skip 8 * 255

  .bss
  .balign 4096
  .skip 32768
first_stack_end:
