/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Functions that do not compile in meshrc, force-included before every file.
 * Each has a safer replacement, named beside it.
 */
#ifndef COMMON_BANNED_H
#define COMMON_BANNED_H

/* The system headers may declare these in their own inline code, so they come first. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define BANNED(func, instead) meshrc_banned_##func##_use_##instead

#undef strcpy
#define strcpy(d, s) BANNED(strcpy, buf_add)
#undef strcat
#define strcat(d, s) BANNED(strcat, buf_add)
#undef strncpy
#define strncpy(d, s, n) BANNED(strncpy, memcpy_with_a_length)
#undef strncat
#define strncat(d, s, n) BANNED(strncat, buf_add)
#undef strtok
#define strtok(s, d) BANNED(strtok, memchr)
#undef sprintf
#define sprintf(...) BANNED(sprintf, snprintf_or_buf_addf)
#undef vsprintf
#define vsprintf(...) BANNED(vsprintf, vsnprintf)
#undef gets
#define gets(s) BANNED(gets, os_read_file)
#undef scanf
#define scanf(...) BANNED(scanf, num_parse)
#undef sscanf
#define sscanf(...) BANNED(sscanf, num_parse)
#undef atoi
#define atoi(s) BANNED(atoi, num_parse)
#undef atol
#define atol(s) BANNED(atol, num_parse)
#undef atoll
#define atoll(s) BANNED(atoll, num_parse)
#undef strtol
#define strtol(s, e, b) BANNED(strtol, num_parse)
#undef strtoll
#define strtoll(s, e, b) BANNED(strtoll, num_parse)
#undef strtoul
#define strtoul(s, e, b) BANNED(strtoul, num_parse)
#undef strtoull
#define strtoull(s, e, b) BANNED(strtoull, num_parse)
#undef gmtime
#define gmtime(t) BANNED(gmtime, time_print)
#undef localtime
#define localtime(t) BANNED(localtime, time_print)
#undef ctime
#define ctime(t) BANNED(ctime, time_print)
#undef asctime
#define asctime(t) BANNED(asctime, time_print)
#undef system
#define system(c) BANNED(system, os_spawn)
#undef popen
#define popen(c, m) BANNED(popen, os_spawn)
#undef mktemp
#define mktemp(t) BANNED(mktemp, os_replace)
#undef tmpnam
#define tmpnam(s) BANNED(tmpnam, os_replace)
#undef rand
#define rand() BANNED(rand, os_random)
#undef random
#define random() BANNED(random, os_random)
#undef alloca
#define alloca(n) BANNED(alloca, arena_alloc)

#endif
