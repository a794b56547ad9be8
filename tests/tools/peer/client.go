package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net/url"
	"os"
	"sort"
	"strings"
	"sync"
	"time"

	"github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/modelcontextprotocol/go-sdk/oauthex"
)

const (
	receiver = "http://127.0.0.1:47113/callback"
	legacy   = "2025-11-25"
	patience = 15 * time.Second
)

// asked is what the test wants.
type asked struct {
	Mode string `json:"mode"`
	URL  string `json:"url"`
	Plan struct {
		Steps  map[string]step `json:"steps"`
		Watch  *string         `json:"watch"`
		Answer map[string]any  `json:"answer"`
	} `json:"plan"`
}

// step is one thing to do: a tool to call, a resource to read, or a prompt to get.
type step struct {
	Do   string `json:"do"`
	With struct {
		Name      string         `json:"name"`
		Arguments map[string]any `json:"arguments"`
		URI       string         `json:"uri"`
		What      string         `json:"what"`
		Then      string         `json:"then"`
	} `json:"with"`
}

// peer is a client that is connected. It keeps what the server said by itself, and the numbers of
// progress by token; whole are the tokens of which the last number came.
type peer struct {
	*mcp.ClientSession
	modern bool

	mu    sync.Mutex
	heard []string
	told  map[any][]float64
	whole map[any]bool
	calls int
}

// client logs in, does what the plan says, and prints what it saw.
func client(text string) {
	var ask asked
	if err := json.Unmarshal([]byte(text), &ask); err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	one := &peer{told: map[any][]float64{}, whole: map[any]bool{}}
	if err := one.connect(ctx, ask); err != nil {
		log.Fatal(err)
	}
	report := map[string]any{"version": one.InitializeResult().ProtocolVersion, "listed": one.listed(ctx)}
	if err := one.watch(ctx, ask.Plan.Watch); err != nil {
		log.Fatal(err)
	}
	for word, step := range ask.Plan.Steps {
		report[word] = one.do(ctx, step)
	}
	say(map[string]any{"report": report})
	one.Close()
}

func (p *peer) connect(ctx context.Context, ask asked) error {
	options := &mcp.ClientOptions{
		ElicitationHandler: func(context.Context, *mcp.ElicitRequest) (*mcp.ElicitResult, error) {
			return &mcp.ElicitResult{Action: "accept", Content: ask.Plan.Answer}, nil
		},
		CreateMessageHandler: func(context.Context, *mcp.CreateMessageRequest) (*mcp.CreateMessageResult, error) {
			return &mcp.CreateMessageResult{Role: "assistant", Model: "m", Content: &mcp.TextContent{Text: "Paris"}}, nil
		},
		LoggingMessageHandler: func(_ context.Context, r *mcp.LoggingMessageRequest) {
			p.hears(fmt.Sprint("log ", r.Params.Data))
		},
		ResourceUpdatedHandler: func(_ context.Context, r *mcp.ResourceUpdatedNotificationRequest) {
			p.hears("notifications/resources/updated " + r.Params.URI)
		},
		ToolListChangedHandler: func(context.Context, *mcp.ToolListChangedRequest) {
			p.hears("notifications/tools/list_changed")
		},
		ProgressNotificationHandler: func(_ context.Context, r *mcp.ProgressNotificationClientRequest) {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.told[r.Params.ProgressToken] = append(p.told[r.Params.ProgressToken], r.Params.Progress)
			p.whole[r.Params.ProgressToken] = r.Params.Progress == r.Params.Total
		},
	}
	login, err := login()
	if err != nil {
		return err
	}
	p.modern = ask.Mode == "auto"
	session := &mcp.ClientSessionOptions{}
	if !p.modern {
		session.ProtocolVersion = legacy
	}
	transport := &mcp.StreamableClientTransport{Endpoint: ask.URL, OAuthHandler: login}
	info := &mcp.Implementation{Name: "go", Version: "1"}
	p.ClientSession, err = mcp.NewClient(info, options).Connect(ctx, transport, session)
	return err
}

// login has the test walk through the pages of the gateway.
func login() (*auth.AuthorizationCodeHandler, error) {
	return auth.NewAuthorizationCodeHandler(&auth.AuthorizationCodeHandlerConfig{
		DynamicClientRegistrationConfig: &auth.DynamicClientRegistrationConfig{
			Metadata: &oauthex.ClientRegistrationMetadata{
				ClientName:              "Go",
				RedirectURIs:            []string{receiver},
				GrantTypes:              []string{"authorization_code", "refresh_token"},
				TokenEndpointAuthMethod: "none",
			},
		},
		AuthorizationCodeFetcher: func(_ context.Context, args *auth.AuthorizationArgs) (*auth.AuthorizationResult, error) {
			say(map[string]any{"authorize": args.URL})
			line, err := bufio.NewReader(os.Stdin).ReadString('\n')
			if err != nil {
				return nil, err
			}
			landed, err := url.Parse(strings.TrimSpace(line))
			if err != nil {
				return nil, err
			}
			query := landed.Query()
			return &auth.AuthorizationResult{Code: query.Get("code"), State: query.Get("state"), Iss: query.Get("iss")}, nil
		},
	})
}

// watch asks to be told of a resource, and, up to 2025-11-25, of what is logged.
func (p *peer) watch(ctx context.Context, uri *string) error {
	if !p.modern && p.InitializeResult().Capabilities.Logging != nil {
		if err := p.SetLoggingLevel(ctx, &mcp.SetLoggingLevelParams{Level: "debug"}); err != nil {
			return err
		}
	}
	if uri == nil {
		return nil
	}
	return p.Subscribe(ctx, &mcp.SubscribeParams{URI: *uri})
}

func (p *peer) listed(ctx context.Context) []string {
	names := []string{}
	for tool, err := range p.Tools(ctx, nil) {
		if err != nil {
			log.Fatal(err)
		}
		names = append(names, tool.Name)
	}
	sort.Strings(names)
	return names
}

// do returns what is seen of a step, or the error that ends it.
func (p *peer) do(ctx context.Context, one step) any {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	steps := map[string]func(context.Context, step) (any, error){
		"text": p.text, "structured": p.structured, "read": p.read, "prompt": p.prompt,
		"progress": p.progress, "hear": p.hear, "cancel": p.cancel,
	}
	seen, err := steps[one.Do](ctx, one)
	var refused *jsonrpc.Error
	if errors.As(err, &refused) {
		return fmt.Sprintf("error %d: %s", refused.Code, refused.Message)
	}
	if err != nil {
		return fmt.Sprintf("error: %v", err)
	}
	return seen
}

// call calls a tool.
func (p *peer) call(ctx context.Context, one step) (*mcp.CallToolResult, error) {
	return p.callAs(ctx, one, p.token())
}

// token returns another progress token.
func (p *peer) token() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls++
	return fmt.Sprintf("call-%d", p.calls)
}

func (p *peer) callAs(ctx context.Context, one step, token string) (*mcp.CallToolResult, error) {
	params := &mcp.CallToolParams{Name: one.With.Name}
	if one.With.Arguments != nil {
		params.Arguments = one.With.Arguments
	}
	if p.modern {
		params.Meta = mcp.Meta{mcp.MetaKeyLogLevel: "debug"}
	}
	params.SetProgressToken(token)
	return p.CallTool(ctx, params)
}

func (p *peer) text(ctx context.Context, one step) (any, error) {
	result, err := p.call(ctx, one)
	if err != nil {
		return nil, err
	}
	return texts(result.Content), nil
}

func (p *peer) structured(ctx context.Context, one step) (any, error) {
	result, err := p.call(ctx, one)
	if err != nil {
		return nil, err
	}
	return result.StructuredContent, nil
}

func (p *peer) read(ctx context.Context, one step) (any, error) {
	result, err := p.ReadResource(ctx, &mcp.ReadResourceParams{URI: one.With.URI})
	if err != nil {
		return nil, err
	}
	return result.Contents[0].Text, nil
}

func (p *peer) prompt(ctx context.Context, one step) (any, error) {
	arguments := map[string]string{}
	for name, value := range one.With.Arguments {
		arguments[name] = value.(string)
	}
	result, err := p.GetPrompt(ctx, &mcp.GetPromptParams{Name: one.With.Name, Arguments: arguments})
	if err != nil {
		return nil, err
	}
	contents := []mcp.Content{}
	for _, message := range result.Messages {
		contents = append(contents, message.Content)
	}
	return texts(contents), nil
}

// progress returns the numbers that a call told, which may come a moment after its answer.
func (p *peer) progress(ctx context.Context, one step) (any, error) {
	token := p.token()
	if _, err := p.callAs(ctx, one, token); err != nil {
		return nil, err
	}
	for ctx.Err() == nil {
		p.mu.Lock()
		told, whole := p.told[token], p.whole[token]
		p.mu.Unlock()
		if whole {
			return told, nil
		}
		time.Sleep(20 * time.Millisecond)
	}
	return nil, ctx.Err()
}

// hear calls until the server said something; its stream may not be open at the first call.
func (p *peer) hear(ctx context.Context, one step) (any, error) {
	for {
		if _, err := p.call(ctx, one); err != nil {
			return nil, err
		}
		for range 10 {
			if p.hasHeard(one.With.What) {
				return one.With.What, nil
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
}

// cancel gives a call up once it runs; it returns how the server says that it went.
func (p *peer) cancel(ctx context.Context, one step) (any, error) {
	running, giveUp := context.WithCancel(ctx)
	defer giveUp()
	ended, token := make(chan error, 1), p.token()
	go func() {
		_, err := p.callAs(running, one, token)
		ended <- err
	}()
	for !p.isTold(token) {
		select {
		case err := <-ended:
			return nil, fmt.Errorf("it ended before it could be given up: %w", err)
		case <-time.After(20 * time.Millisecond):
		}
	}
	giveUp()
	<-ended
	then := step{}
	then.With.Name = one.With.Then
	for {
		went, err := p.text(ctx, then)
		if err != nil || went != "runs" {
			return went, err
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// isTold says whether a call told of its progress.
func (p *peer) isTold(token string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.told[token]) > 0
}

func (p *peer) hears(what string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.heard = append(p.heard, what)
}

func (p *peer) hasHeard(what string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Contains(strings.Join(p.heard, "\n"), what)
}

func texts(contents []mcp.Content) string {
	words := []string{}
	for _, one := range contents {
		if text, ok := one.(*mcp.TextContent); ok {
			words = append(words, text.Text)
		}
	}
	return strings.Join(words, " ")
}

func say(value map[string]any) {
	text, err := json.Marshal(value)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(string(text))
}
