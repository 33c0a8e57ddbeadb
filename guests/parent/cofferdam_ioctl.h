/* The device /dev/cofferdam of the parent's Linux: one call of the monitor for one ioctl. C, for kernel and programs. */
#ifndef COFFERDAM_IOCTL_H
#define COFFERDAM_IOCTL_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define COFFERDAM_BUFFER_MAX 4096

/*
 * x[0] is the function, x[1..6] its arguments; on return x[0..3] are the results. Where buffer_length is not 0, the
 * module copies `buffer` into a page of its own, puts the page's physical address into x[buffer_argument] (1..6), makes
 * the call, and copies the page back.
 */
struct cofferdam_call {
	__u64 x[7];
	__u64 buffer;          /* address in the program */
	__u32 buffer_length;   /* 0..COFFERDAM_BUFFER_MAX */
	__u32 buffer_argument;
};

#define COFFERDAM_IOCTL_CALL _IOWR(0xCF, 1, struct cofferdam_call)

#endif
