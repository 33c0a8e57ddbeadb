// A guest's FP/SIMD and SVE registers: cleared, saved, restored. x0: a FloatingPointState (per_core.hpp).
//
// Whatever writes a V register clears the rest of its Z register, so where there is SVE all of it is saved. At EL2 a vector
// has the length that ZCR_EL2 allows, whatever the guest has set in ZCR_EL1 (Arm ARM D19.2.164, HCR_EL2.E2H = 0).

  .arch armv8.5-a+sve

  .equ FPCR, 0
  .equ FPSR, 8
  .equ VECTORS, 16                   // q0..q31, 16 bytes apart, or z0..z31, a vector apart
  .equ PREDICATES, 16 + 32 * 256     // p0..p15, then FFR, an eighth of a vector apart

  .macro function name
  .section .text.\name, "ax"
  .global \name
  .type \name, %function
\name:
  bti c
  .endm

  function hal_clear_floating_point
  .irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
  movi v\n\().2d, #0
  .endr
  msr fpcr, xzr
  msr fpsr, xzr
  ret

  function hal_clear_vectors
  .irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
  mov z\n\().d, #0
  .endr
  .irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15
  pfalse p\n\().b
  .endr
  wrffr p0.b
  msr fpcr, xzr
  msr fpsr, xzr
  ret

  function hal_save_floating_point
  add x3, x0, #VECTORS
  stp q0, q1, [x3, #0]
  stp q2, q3, [x3, #32]
  stp q4, q5, [x3, #64]
  stp q6, q7, [x3, #96]
  stp q8, q9, [x3, #128]
  stp q10, q11, [x3, #160]
  stp q12, q13, [x3, #192]
  stp q14, q15, [x3, #224]
  stp q16, q17, [x3, #256]
  stp q18, q19, [x3, #288]
  stp q20, q21, [x3, #320]
  stp q22, q23, [x3, #352]
  stp q24, q25, [x3, #384]
  stp q26, q27, [x3, #416]
  stp q28, q29, [x3, #448]
  stp q30, q31, [x3, #480]
  mrs x1, fpcr
  mrs x2, fpsr
  stp x1, x2, [x0, #FPCR]
  msr fpcr, xzr
  ret

  function hal_save_vectors
  add x3, x0, #VECTORS
  .irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
  str z\n, [x3, #\n, mul vl]
  .endr
  mov x4, #PREDICATES
  add x4, x0, x4
  .irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15
  str p\n, [x4, #\n, mul vl]
  .endr
  rdffr p0.b
  str p0, [x4, #16, mul vl]
  mrs x1, fpcr
  mrs x2, fpsr
  stp x1, x2, [x0, #FPCR]
  msr fpcr, xzr
  ret

  function hal_restore_floating_point
  add x3, x0, #VECTORS
  ldp q0, q1, [x3, #0]
  ldp q2, q3, [x3, #32]
  ldp q4, q5, [x3, #64]
  ldp q6, q7, [x3, #96]
  ldp q8, q9, [x3, #128]
  ldp q10, q11, [x3, #160]
  ldp q12, q13, [x3, #192]
  ldp q14, q15, [x3, #224]
  ldp q16, q17, [x3, #256]
  ldp q18, q19, [x3, #288]
  ldp q20, q21, [x3, #320]
  ldp q22, q23, [x3, #352]
  ldp q24, q25, [x3, #384]
  ldp q26, q27, [x3, #416]
  ldp q28, q29, [x3, #448]
  ldp q30, q31, [x3, #480]
  ldp x1, x2, [x0, #FPCR]
  msr fpcr, x1
  msr fpsr, x2
  ret

  // Whole vectors of zeros wipe what was loaded; the last slots are left to the caller: z31's and p0's.
  function hal_restore_vectors
  mov x4, #PREDICATES
  add x4, x0, x4
  ldr p0, [x4, #16, mul vl]
  wrffr p0.b
  .irp n, 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15
  ldr p\n, [x4, #\n, mul vl]
  .endr
  pfalse p0.b
  .irp n, 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16
  str p0, [x4, #\n, mul vl]
  .endr
  ldr p0, [x4]
  add x3, x0, #VECTORS
  .irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30
  ldr z\n, [x3, #\n, mul vl]
  .endr
  mov z31.d, #0
  .irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30
  str z31, [x3, #\n, mul vl]
  .endr
  ldr z31, [x3, #31, mul vl]
  ldp x1, x2, [x0, #FPCR]
  msr fpcr, x1
  msr fpsr, x2
  ret

  // -> x0: bytes of a vector at EL2. Only where SVE does not trap.
  function hal_vector_bytes
  rdvl x0, #1
  ret
