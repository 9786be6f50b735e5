// SPDX-License-Identifier: Apache-2.0

// Daprd as Dapr builds it, and the SQLite name resolver with it: the default one asks by multicast, which a
// machine's loopback does not carry. Only test/tools/real_stack.py builds it.
package main

import (
	_ "github.com/dapr/dapr/cmd/daprd/components"

	"github.com/dapr/components-contrib/nameresolution/sqlite"
	"github.com/dapr/dapr/cmd/daprd/app"
	"github.com/dapr/dapr/pkg/components/nameresolution"
)

func main() {
	nameresolution.DefaultRegistry.RegisterComponent(sqlite.NewResolver, "sqlite")
	app.Run()
}
