// The device /dev/attack: maps any physical address, and executes HVC, SMC and system instructions that may fault.
//
// Maps go to a program, where a refused access is a SIGBUS; the kernel itself does not survive an external abort.
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/uaccess.h>

#include "../attack_ioctl.h"

u64 attack_execute(u64* x, u64 kind, u64 entry);
extern const char attack_register_reads[], attack_register_writes[], attack_sys[];

#define ENTRY_BYTES 8  // as attack_entry.S lays them

static long attack_ioctl(struct file* file, unsigned int command, unsigned long argument) {
  struct attack_instruction instruction;
  u64 entry = 0;
  if (command != ATTACK_EXECUTE) return -ENOTTY;
  if (copy_from_user(&instruction, (void __user*)argument, sizeof(instruction))) return -EFAULT;
  switch (instruction.kind) {
    case ATTACK_HVC:
    case ATTACK_SMC:
      break;
    case ATTACK_READ_REGISTER:
    case ATTACK_WRITE_REGISTER:
      if (instruction.encoding < 0x8000 || instruction.encoding > 0xffff) return -EINVAL;
      entry = (u64)(instruction.kind == ATTACK_READ_REGISTER ? attack_register_reads : attack_register_writes) +
              (instruction.encoding - 0x8000) * ENTRY_BYTES;
      break;
    case ATTACK_SYS:
      if (instruction.encoding < 0x4000 || instruction.encoding > 0x7fff) return -EINVAL;
      entry = (u64)attack_sys + (instruction.encoding - 0x4000) * ENTRY_BYTES;
      break;
    default:
      return -EINVAL;
  }
  instruction.syndrome = attack_execute(instruction.x, instruction.kind, entry);
  return copy_to_user((void __user*)argument, &instruction, sizeof(instruction)) ? -EFAULT : 0;
}

static int attack_mmap(struct file* file, struct vm_area_struct* area) {
  if (!(area->vm_flags & VM_EXEC)) area->vm_page_prot = pgprot_device(area->vm_page_prot);  // Device is never executed
  return remap_pfn_range(area, area->vm_start, area->vm_pgoff, area->vm_end - area->vm_start, area->vm_page_prot);
}

static const struct file_operations operations = {
    .owner = THIS_MODULE,
    .unlocked_ioctl = attack_ioctl,
    .mmap = attack_mmap,
};

static struct miscdevice device = {
    .minor = MISC_DYNAMIC_MINOR,
    .name = "attack",
    .mode = 0600,
    .fops = &operations,
};

static int __init attack_init(void) { return misc_register(&device); }
static void __exit attack_exit(void) { misc_deregister(&device); }

module_init(attack_init);
module_exit(attack_exit);
MODULE_DESCRIPTION("What root can do to the machine beneath it");
MODULE_LICENSE("Dual MIT/GPL");
