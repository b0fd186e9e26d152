/* All open descriptors from one on. */
#ifndef AGENT_DESCRIPTORS_H
#define AGENT_DESCRIPTORS_H

int descriptors_close(unsigned from);
int descriptors_close_on_exec(unsigned from);

#endif
