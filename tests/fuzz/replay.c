/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A main for fuzz targets built without libFuzzer: runs the target once over each file and over
 * each file of each folder named on the command line, and over the empty input. A target that finds
 * something wrong aborts.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned long runs;
static const char *current = "(empty input)";

static void run_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	uint8_t *data = NULL;
	struct stat st;

	if (!f || stat(path, &st) < 0) {
		perror(path);
		exit(2);
	}
	/* Exactly as long as the input, so that reading one byte too far is seen by the sanitizer.
	 */
	data = malloc(st.st_size ? (size_t)st.st_size : 1);
	if (!data || fread(data, 1, (size_t)st.st_size, f) != (size_t)st.st_size) {
		fprintf(stderr, "%s: cannot read\n", path);
		exit(2);
	}
	fclose(f);
	current = path;
	LLVMFuzzerTestOneInput(data, (size_t)st.st_size);
	runs++;
	free(data);
}

static int not_hidden(const struct dirent *d)
{
	return d->d_name[0] != '.';
}

static void run_path(const char *path)
{
	struct dirent **names;
	struct stat st;
	char file[4096];
	int n, i;

	if (stat(path, &st) < 0) {
		perror(path);
		exit(2);
	}
	if (!S_ISDIR(st.st_mode)) {
		run_file(path);
		return;
	}
	n = scandir(path, &names, not_hidden, alphasort);
	if (n < 0) {
		perror(path);
		exit(2);
	}
	for (i = 0; i < n; i++) {
		snprintf(file, sizeof(file), "%s/%s", path, names[i]->d_name);
		free(names[i]);
		run_path(file);
	}
	free(names);
}

static void say_which(void)
{
	if (current)
		fprintf(stderr, "input: %s\n", current);
}

int main(int argc, char **argv)
{
	static const uint8_t none[1];
	int i;

	/* stderr is unbuffered, so a message stands there before an abort; name the input at a
	 * normal exit of a target. */
	atexit(say_which);
	LLVMFuzzerTestOneInput(none, 0);
	for (i = 1; i < argc; i++)
		run_path(argv[i]);
	current = NULL;
	printf("%lu inputs\n", runs + 1);
	if (argc > 1 && !runs) {
		fprintf(stderr, "the corpus is empty\n");
		return 1;
	}
	return 0;
}
