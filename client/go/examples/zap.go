// SPDX-License-Identifier: MIT

//go:build ignore

// go.uber.org/zap.  zap writes the error of a writer to its ErrorOutput, which
// is standard error.  A Writer needs no zapcore.Lock.
package main

import (
	"bufwriter"
	"log"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

func main() {
	writer, err := bufwriter.Open(bufwriter.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer writer.Close()
	config := zap.NewProductionEncoderConfig()
	config.TimeKey = ""
	core := zapcore.NewCore(zapcore.NewJSONEncoder(config),
		zapcore.AddSync(writer), zap.InfoLevel)
	logger := zap.New(core)
	logger.Info("order paid", zap.Int("order", 17))
}
