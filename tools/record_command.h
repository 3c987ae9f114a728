/* SPDX-License-Identifier: MIT */
/* What can be recorded, each a command of its own: `slablab record malloc`, `slablab record
 * kernel`. */
#ifndef SLABLAB_TOOLS_RECORD_COMMAND_H
#define SLABLAB_TOOLS_RECORD_COMMAND_H

struct error;

/* As cmd_record, without the word that chose it. */
int cmd_record_kernel(int argc, char **argv);
int cmd_record_malloc(int argc, char **argv);

/* Before anything is recorded, since that would be lost with a trace that cannot be written. */
int record_check_output(const char *path, struct error *error);
/* How the program ended that was recorded: a status as wait gives it. */
void record_say_status(const char *program, int status);

#endif
