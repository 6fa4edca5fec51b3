package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// inJapanese has cobra's own words in Japanese: headings of the help, and the
// commands and the flag that it adds.
func inJapanese(root *cobra.Command) {
	root.SetUsageTemplate(strings.NewReplacer(
		"Usage:", "使い方:", "Aliases:", "別名:", "Examples:", "例:", "Available Commands:", "コマンド:", "Additional Commands:", "その他のコマンド:",
		"Global Flags:", "共通のフラグ:", "Flags:", "フラグ:", "Additional help topics:", "その他の説明:",
		`Use "{{.CommandPath}} [command] --help" for more information about a command.`, "コマンドの説明は `{{.CommandPath}} [command] --help` で読めます。",
	).Replace(root.UsageTemplate()))
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		switch c.Name() {
		case "help":
			c.Short = "コマンドの説明を表示する"
		case "completion":
			c.Short = "シェルの補完スクリプトを出力する"
		}
	}
	describeHelp(root)
}

// describeHelp says of --help what it is, for a command and those below it.
func describeHelp(c *cobra.Command) {
	c.InitDefaultHelpFlag()
	c.Flags().Lookup("help").Usage = fmt.Sprintf("%s の説明", c.Name())
	for _, below := range c.Commands() {
		describeHelp(below)
	}
}
