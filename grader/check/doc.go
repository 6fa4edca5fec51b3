// Package check is what a kind of check is made of: the [View] it has of a lab,
// the [Verdict] it comes to, the [Advice] that puts the verdict into words, and
// the [Kind] that ties them together. It knows no kind.
package check
