package main

import (
	"context"
	"encoding/json"
	"net"
	"sync"

	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"github.com/envoyproxy/go-control-plane/pkg/cache/types"
	"github.com/envoyproxy/go-control-plane/pkg/cache/v3"
	server "github.com/envoyproxy/go-control-plane/pkg/server/v3"
	"google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/anypb"

	_ "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/router/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
)

// snapshot is a command: all resources that every client is to have, each with its "@type", under a version.
type snapshot struct {
	Version   string
	Resources []json.RawMessage
}

// serve is a control plane on this address, for every node alike.
func serve(address string) {
	snapshots := cache.NewSnapshotCache(true, everyNode{}, nil)
	listener, err := net.Listen("tcp", address)
	if err != nil {
		fail(err.Error())
	}
	service := grpc.NewServer()
	discovery.RegisterAggregatedDiscoveryServiceServer(
		service,
		server.NewServer(context.Background(), snapshots, newWitness()),
	)
	go service.Serve(listener)
	say(map[string]any{"listening": listener.Addr().String()})
	commands(func(line []byte) { take(snapshots, line) })
}

func take(snapshots cache.SnapshotCache, line []byte) {
	var wanted snapshot
	if err := json.Unmarshal(line, &wanted); err != nil {
		fail(err.Error())
	}
	resources := map[string][]types.Resource{}
	for _, raw := range wanted.Resources {
		var packed anypb.Any
		if err := protojson.Unmarshal(raw, &packed); err != nil {
			fail(err.Error())
		}
		message, err := packed.UnmarshalNew()
		if err != nil {
			fail(err.Error())
		}
		resources[packed.TypeUrl] = append(resources[packed.TypeUrl], message)
	}
	taken, err := cache.NewSnapshot(wanted.Version, resources)
	if err == nil {
		err = taken.Consistent()
	}
	if err == nil {
		err = snapshots.SetSnapshot(context.Background(), everyNode{}.ID(nil), taken)
	}
	if err != nil {
		fail(err.Error())
	}
}

type everyNode struct{}

func (everyNode) ID(*core.Node) string { return "every node" }

// witness tells what clients answer.
type witness struct {
	server.CallbackFuncs
	lock sync.Mutex
	seen map[int64]bool
}

func newWitness() *witness {
	w := &witness{seen: map[int64]bool{}}
	w.StreamRequestFunc = func(stream int64, request *discovery.DiscoveryRequest) error {
		w.meet(stream, request.Node, "sotw")
		w.hear(request.TypeUrl, request.VersionInfo, request.ErrorDetail)
		return nil
	}
	w.StreamDeltaRequestFunc = func(stream int64, request *discovery.DeltaDiscoveryRequest) error {
		w.meet(stream, request.Node, "delta")
		w.hear(request.TypeUrl, "", request.ErrorDetail)
		return nil
	}
	return w
}

func (w *witness) meet(stream int64, node *core.Node, protocol string) {
	w.lock.Lock()
	defer w.lock.Unlock()
	if w.seen[stream] {
		return
	}
	w.seen[stream] = true
	say(map[string]any{"stream": protocol, "node": node.GetId(), "agent": node.GetUserAgentName()})
}

func (w *witness) hear(typeUrl, version string, refusal *status.Status) {
	if refusal != nil {
		say(map[string]any{"refused": refusal.Message, "type": typeUrl, "version": version})
	}
}
