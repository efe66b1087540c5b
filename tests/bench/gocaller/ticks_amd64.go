// SPDX-License-Identifier: MIT

package main

func ticks() uint64
