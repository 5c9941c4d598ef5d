package main

import (
	"context"
	"encoding/json"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	_ "google.golang.org/grpc/xds"
)

// request is a command: one unary call.
type request struct {
	ID        int
	Method    string
	Headers   map[string]string
	TimeoutMs int
}

// call is a client of this target, which GRPC_XDS_BOOTSTRAP or GRPC_XDS_BOOTSTRAP_CONFIG resolves.
func call(target string) {
	client, err := grpc.NewClient(
		target,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.ForceCodec(bytesAsTheyAre{})),
	)
	if err != nil {
		fail(err.Error())
	}
	client.Connect()
	commands(func(line []byte) {
		var wanted request
		if err := json.Unmarshal(line, &wanted); err != nil {
			fail(err.Error())
		}
		go invoke(client, wanted)
	})
}

func invoke(client *grpc.ClientConn, wanted request) {
	within, cancel := context.WithTimeout(context.Background(), time.Duration(wanted.TimeoutMs)*time.Millisecond)
	defer cancel()
	within = metadata.NewOutgoingContext(within, metadata.New(wanted.Headers))
	var reply []byte
	begun := time.Now()
	err := client.Invoke(within, wanted.Method, []byte{}, &reply)
	say(map[string]any{
		"id":      wanted.ID,
		"code":    status.Code(err),
		"message": status.Convert(err).Message(),
		"reply":   string(reply),
		"ms":      time.Since(begun).Milliseconds(),
	})
}

// bytesAsTheyAre is a codec that leaves messages as they are.
type bytesAsTheyAre struct{}

func (bytesAsTheyAre) Marshal(message any) ([]byte, error) { return message.([]byte), nil }

func (bytesAsTheyAre) Unmarshal(data []byte, message any) error {
	*message.(*[]byte) = data
	return nil
}

func (bytesAsTheyAre) Name() string { return "bytes" }
