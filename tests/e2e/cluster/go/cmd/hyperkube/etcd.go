package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"go.etcd.io/etcd/server/v3/embed"
)

// newEtcd returns etcd with one member, on its usual loopback ports and without durability: the
// store of a cluster that is thrown away.
func newEtcd() *cobra.Command {
	config := embed.NewConfig()
	config.LogLevel = "warn"
	config.UnsafeNoFsync = true
	command := &cobra.Command{Use: "etcd", SilenceUsage: true, RunE: func(*cobra.Command, []string) error {
		running, err := embed.StartEtcd(config)
		if err != nil {
			return err
		}
		defer running.Close()
		select {
		case <-running.Server.ReadyNotify():
			return <-running.Err()
		case <-time.After(time.Minute):
			return fmt.Errorf("etcd does not serve after a minute")
		}
	}}
	command.Flags().StringVar(&config.Dir, "data-dir", "", "folder of the data")
	return command
}
