// Peer is an MCP client and a server on the official Go SDK, to be tried with a gateway.
//
//	peer client '{"mode": "auto"|"legacy", "url": ..., "plan": ...}'
//	peer server PORT
package main

import "os"

func main() {
	run := map[string]func(string){"client": client, "server": serve}
	run[os.Args[1]](os.Args[2])
}
