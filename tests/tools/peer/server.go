package main

import (
	"context"
	"log"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

const note = "note://today"

type nothing struct{}

type numbers struct {
	A int `json:"a"`
	B int `json:"b"`
}

type sum struct {
	Sum int `json:"sum"`
}

// server is one MCP server of both eras; waited says how the last call of `wait` went.
type server struct {
	*mcp.Server
	waited atomic.Value
}

func serve(port string) {
	options := &mcp.ServerOptions{
		SubscribeHandler:   func(context.Context, *mcp.SubscribeRequest) error { return nil },
		UnsubscribeHandler: func(context.Context, *mcp.UnsubscribeRequest) error { return nil },
	}
	made := &server{Server: mcp.NewServer(&mcp.Implementation{Name: "go", Version: "1"}, options)}
	made.waited.Store("never called")
	made.addTools()
	made.AddResource(&mcp.Resource{Name: "note", URI: note}, read)
	named := []*mcp.PromptArgument{{Name: "name", Required: true}}
	made.AddPrompt(&mcp.Prompt{Name: "greet", Arguments: named}, greet)
	handler := mcp.NewStreamableHTTPHandler(
		func(*http.Request) *mcp.Server { return made.Server },
		&mcp.StreamableHTTPOptions{EventStore: mcp.NewMemoryEventStore(nil)},
	)
	log.Fatal(http.ListenAndServe("127.0.0.1:"+port, handler))
}

func (s *server) addTools() {
	tool := func(name string) *mcp.Tool { return &mcp.Tool{Name: name} }
	mcp.AddTool(s.Server, tool("echo"), func(_ context.Context, _ *mcp.CallToolRequest, in struct {
		Text string `json:"text"`
	}) (*mcp.CallToolResult, any, error) {
		return said("echo " + in.Text), nil, nil
	})
	mcp.AddTool(s.Server, tool("add"), func(_ context.Context, _ *mcp.CallToolRequest, in numbers) (*mcp.CallToolResult, sum, error) {
		return nil, sum{in.A + in.B}, nil
	})
	for name, run := range map[string]func(context.Context, *mcp.CallToolRequest) (*mcp.CallToolResult, error){
		"secret": func(context.Context, *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
			return said("never to be seen"), nil
		},
		"ask":     ask,
		"imagine": imagine,
		"count":   count,
		"touch":   s.touch,
		"grow":    s.grow,
		"wait":    s.wait,
		"pause":   pause,
		"waited": func(context.Context, *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
			return said(s.waited.Load().(string)), nil
		},
	} {
		mcp.AddTool(s.Server, tool(name), func(ctx context.Context, request *mcp.CallToolRequest, _ nothing) (*mcp.CallToolResult, any, error) {
			result, err := run(ctx, request)
			return result, nil, err
		})
	}
}

func ask(_ context.Context, request *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
	if answer, ok := request.Params.InputResponses["colour"].(*mcp.ElicitResult); ok {
		return said("the colour is " + answer.Content["colour"].(string)), nil
	}
	text := map[string]any{"type": "string"}
	form := map[string]any{"type": "object", "properties": map[string]any{"colour": text}}
	asked := &mcp.ElicitParams{Message: "Which colour?", RequestedSchema: form}
	return &mcp.CallToolResult{InputRequests: mcp.InputRequestMap{"colour": asked}}, nil
}

func imagine(_ context.Context, request *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
	if answer, ok := request.Params.InputResponses["town"].(*mcp.CreateMessageWithToolsResult); ok {
		return said("the model says " + answer.Content[0].(*mcp.TextContent).Text), nil
	}
	asked := &mcp.CreateMessageParams{
		MaxTokens: 5,
		Messages:  []*mcp.SamplingMessage{{Role: "user", Content: &mcp.TextContent{Text: "Which town?"}}},
	}
	return &mcp.CallToolResult{InputRequests: mcp.InputRequestMap{"town": asked}}, nil
}

func count(ctx context.Context, request *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
	for number := 1.0; number <= 3; number++ {
		progress(ctx, request, number, 3)
	}
	request.Session.Log(ctx, &mcp.LoggingMessageParams{Level: "info", Data: "counted"})
	return said("three"), nil
}

func progress(ctx context.Context, request *mcp.CallToolRequest, number, total float64) {
	if token := request.Params.GetProgressToken(); token != nil {
		request.Session.NotifyProgress(ctx, &mcp.ProgressNotificationParams{
			ProgressToken: token, Progress: number, Total: total,
		})
	}
}

// touch says that the note changed.
func (s *server) touch(ctx context.Context, _ *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
	s.ResourceUpdated(ctx, &mcp.ResourceUpdatedNotificationParams{URI: note})
	return said("touched"), nil
}

// grow has another tool for a moment; the SDK says then that the list changed.
func (s *server) grow(context.Context, *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
	mcp.AddTool(s.Server, &mcp.Tool{Name: "grown"}, func(context.Context, *mcp.CallToolRequest, nothing) (*mcp.CallToolResult, any, error) {
		return said("grown"), nil, nil
	})
	s.RemoveTools("grown")
	return said("grown"), nil
}

// wait runs until the client gives up.
func (s *server) wait(ctx context.Context, request *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
	s.waited.Store("runs")
	progress(ctx, request, 1, 0)
	select {
	case <-ctx.Done():
		s.waited.Store("given up")
		return nil, ctx.Err()
	case <-time.After(30 * time.Second):
		return said("nobody gave up"), nil
	}
}

// pause breaks the stream of its answer off, where that can be taken up again.
func pause(_ context.Context, request *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
	if request.Extra.CloseSSEStream != nil {
		request.Extra.CloseSSEStream(mcp.CloseSSEStreamArgs{RetryAfter: 100 * time.Millisecond})
		time.Sleep(50 * time.Millisecond)
	}
	return said("still here"), nil
}

func read(context.Context, *mcp.ReadResourceRequest) (*mcp.ReadResourceResult, error) {
	contents := []*mcp.ResourceContents{{URI: note, Text: "a note"}}
	return &mcp.ReadResourceResult{Contents: contents}, nil
}

func greet(_ context.Context, request *mcp.GetPromptRequest) (*mcp.GetPromptResult, error) {
	text := &mcp.TextContent{Text: "greet " + request.Params.Arguments["name"]}
	return &mcp.GetPromptResult{Messages: []*mcp.PromptMessage{{Role: "user", Content: text}}}, nil
}

func said(text string) *mcp.CallToolResult {
	return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: text}}}
}
