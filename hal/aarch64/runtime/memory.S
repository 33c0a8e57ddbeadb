// memcpy, memmove, memset, memcmp with general registers only: a guest's FP/SIMD registers stay as they are. Used with
// the MMU on, so unaligned accesses are allowed.

  .section .text.memory_functions, "ax"

  // void* memcpy(x0 = to, x1 = from, x2 = bytes)
  .global memcpy
  .type memcpy, %function
memcpy:
  bti c
copy_forward:
  mov x3, x0
1:cmp x2, #64
  b.lo 2f
  ldp x4, x5, [x1], #16
  ldp x6, x7, [x1], #16
  ldp x8, x9, [x1], #16
  ldp x10, x11, [x1], #16
  stp x4, x5, [x3], #16
  stp x6, x7, [x3], #16
  stp x8, x9, [x3], #16
  stp x10, x11, [x3], #16
  sub x2, x2, #64
  b 1b
2:tbz x2, #5, 7f
  ldp x4, x5, [x1], #16
  ldp x6, x7, [x1], #16
  stp x4, x5, [x3], #16
  stp x6, x7, [x3], #16
7:tbz x2, #4, 8f
  ldp x4, x5, [x1], #16
  stp x4, x5, [x3], #16
  // One access for 2, 4 and 8 bytes: hal::read_bytes and write_bytes promise that.
8:tbz x2, #3, 3f
  ldr x4, [x1], #8
  str x4, [x3], #8
3:tbz x2, #2, 4f
  ldr w4, [x1], #4
  str w4, [x3], #4
4:tbz x2, #1, 5f
  ldrh w4, [x1], #2
  strh w4, [x3], #2
5:tbz x2, #0, 6f
  ldrb w4, [x1]
  strb w4, [x3]
6:ret

  // void* memmove(x0 = to, x1 = from, x2 = bytes)
  .global memmove
  .type memmove, %function
memmove:
  bti c
  sub x3, x0, x1
  cmp x3, x2
  b.hs copy_forward                  // `to` lies below `from`, or past its end
  add x3, x0, x2
  add x1, x1, x2
1:cmp x2, #8
  b.lo 2f
  ldr x4, [x1, #-8]!
  str x4, [x3, #-8]!
  sub x2, x2, #8
  b 1b
2:cbz x2, 3f
  ldrb w4, [x1, #-1]!
  strb w4, [x3, #-1]!
  sub x2, x2, #1
  b 2b
3:ret

  // void* memset(x0 = to, w1 = byte, x2 = bytes)
  .global memset
  .type memset, %function
memset:
  bti c
  and x1, x1, #0xff
  orr x1, x1, x1, lsl #8
  orr x1, x1, x1, lsl #16
  orr x1, x1, x1, lsl #32
  mov x3, x0
1:cmp x2, #64
  b.lo 2f
  stp x1, x1, [x3], #16
  stp x1, x1, [x3], #16
  stp x1, x1, [x3], #16
  stp x1, x1, [x3], #16
  sub x2, x2, #64
  b 1b
2:cmp x2, #8
  b.lo 3f
  str x1, [x3], #8
  sub x2, x2, #8
  b 2b
3:cbz x2, 4f
  strb w1, [x3], #1
  sub x2, x2, #1
  b 3b
4:ret

  // int memcmp(x0, x1, x2 = bytes)
  .global memcmp
  .type memcmp, %function
memcmp:
  bti c
1:cmp x2, #8
  b.lo 2f
  ldr x3, [x0]
  ldr x4, [x1]
  cmp x3, x4
  b.ne 2f                            // the bytes below find the first difference
  add x0, x0, #8
  add x1, x1, #8
  sub x2, x2, #8
  b 1b
2:cbz x2, 3f
  ldrb w3, [x0], #1
  ldrb w4, [x1], #1
  sub x2, x2, #1
  subs w5, w3, w4
  b.eq 2b
  mov w0, w5
  ret
3:mov w0, #0
  ret
