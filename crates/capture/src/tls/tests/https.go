package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == "serve" {
		http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, "hi", r.URL.Path) })
		fmt.Println(http.ListenAndServeTLS(os.Args[2], os.Args[3], os.Args[4], nil))
		return
	}
	r, err := http.Get(os.Args[1])
	if err != nil {
		panic(err)
	}
	b, _ := io.ReadAll(r.Body)
	fmt.Println(string(b))
}
