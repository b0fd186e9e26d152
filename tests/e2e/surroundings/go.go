package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"syscall"
	"unicode/utf8"
)

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func main() {
	again, err := os.Open("/dev/stdin")
	check(err)
	line, err := bufio.NewReader(again).ReadString('\n')
	check(err)
	line = strings.TrimSuffix(line, "\n")
	fmt.Println(line, utf8.RuneCountInString(line))
	check(os.WriteFile("/dev/stdout", []byte("written again\n"), 0))

	server, err := net.Listen("tcp", "localhost:0")
	check(err)
	go func() {
		peer, err := server.Accept()
		check(err)
		peer.Write([]byte("ping"))
		peer.Close()
	}()
	_, port, _ := net.SplitHostPort(server.Addr().String())
	client, err := net.Dial("tcp", "localhost:"+port)
	check(err)
	answer, err := io.ReadAll(client)
	check(err)
	fmt.Println(string(answer))
	_, err = net.Dial("tcp", "192.0.2.1:80")
	var number syscall.Errno
	errors.As(err, &number)
	fmt.Println("errno", int(number))

	for _, folder := range []string{"/box", "/tmp"} {
		check(os.WriteFile(folder+"/ß", []byte(folder), 0o600))
		text, err := os.ReadFile(folder + "/ß")
		check(err)
		fmt.Println(string(text))
	}
	fmt.Println(runtime.GOMAXPROCS(0))
}
