// Package mailoracle holds the recordings of real Postfix and s-nail, and the
// test that runs each of them against sim/postfix and sim/mailx on memnet hosts
// in virtual time.
package mailoracle
