/* SPDX-License-Identifier: MIT */
/*
 * What waits to be shipped, for `bufwriter status` and `bufwriter metrics`: the
 * backlog in the directory of complete files, which this process counts
 * itself, because the daemon reads no directory; and what a shipper wrote to
 * its file beside the control socket.
 *
 * Single-threaded.
 */
#ifndef BUFWRITER_SHIPPING_H
#define BUFWRITER_SHIPPING_H

/* Two lines for people. */
void shipping_print(const char *files_path, const char *control_path);

/* The member "backlog" of a JSON object. */
void shipping_print_json(const char *files_path);

/*
 * Gauges in Prometheus's text format, which is also OpenMetrics.  Nothing if
 * the directory may not be read.  `stream` is the value of a label as it is
 * between the quotes.
 */
void shipping_print_metrics(const char *files_path, const char *stream);

#endif
